"""EfficientNet-Lite 0, 1 and 2 with ImageNet-1k weights: the networks that need no network."""

from typing import TYPE_CHECKING, Final

from . import architecture, weights
from .labels import IMAGENET, load_labels
from .preprocessing import Preprocessing
from .spec import ModelSpec, digest

if TYPE_CHECKING:
    import keras

NAMES: Final = {f"efficientnet_lite{variant}": variant for variant in weights.FILES}
RECIPE: Final = (
    "efficientnet_lite/1"  # raise the number whenever ``architecture`` answers otherwise
)
CROP_PADDING: Final = 32  # pixels; efficientnet's preprocessing.py, CROP_PADDING


def resolve(name: str) -> ModelSpec:
    """The spec of a lite network, without importing Keras.

    Args:
        name: one of ``NAMES``.
    """
    variant = NAMES[name]
    size = architecture.SCALES[variant].size
    preprocessing = Preprocessing(
        height=size, width=size, crop=size / (size + CROP_PADDING)
    )
    labels = load_labels(IMAGENET, architecture.CLASSES)
    identity = digest(RECIPE, weights.FILES[variant].sha256, preprocessing, labels)
    return ModelSpec(name, identity, preprocessing, labels, lambda: build(variant))


def build(variant: int) -> "keras.Model":
    """The trained network.

    Args:
        variant: 0, 1 or 2.

    Raises:
        StartError: the package with the weights is missing or not the tested one.
    """
    tensors = weights.load(weights.locate(weights.FILES[variant]))
    model = architecture.build_efficientnet_lite(variant)
    weights.assign(model, tensors)
    return model
