"""Your own model: a folder with ``model.keras``, ``labels.csv`` and ``preprocessing.json``.

==================  ==============================================================================
``model.keras``     one image in, one row of probabilities out; no code in it is run (safe mode)
``labels.csv``      header ``wnid,label,description`` or only ``label``; one row a class, in order
preprocessing.json  ``{"height": 224, "width": 224, "crop": 0.875, "interpolation": "bicubic",
                    "scale": 1, "offset": 0, "logits": false}``; only height and width must be
                    there. The network gets ``pixel * scale + offset``; each of these may be a
                    list of three, for R, G and B. ``logits``: the network ends without a softmax,
                    so one is added.
==================  ==============================================================================
"""

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from common.errors import StartError

from .backend import load_keras
from .labels import load_labels
from .preprocessing import Preprocessing
from .spec import ModelSpec, digest

if TYPE_CHECKING:
    import keras

RECIPE: Final = "folder/1"  # raise the number whenever ``build`` answers otherwise
CONTENTS: Final = (
    "a model's folder holds model.keras, labels.csv and preprocessing.json"
)
SUM_TOLERANCE: Final = (
    1e-3  # of a row of probabilities; float16 networks need this much
)

PerChannel = float | tuple[float, float, float]


class FolderPreprocessing(
    Preprocessing, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """``preprocessing.json``: what the decoder is told, and what goes into the graph."""

    scale: PerChannel = 1.0
    offset: PerChannel = 0.0
    logits: bool = False


def resolve(folder: Path) -> ModelSpec:
    """The spec of a folder, from its files' bytes, without importing Keras.

    Raises:
        StartError: a file is missing or wrong.
    """
    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        raise StartError(f"{folder} is no folder; {CONTENTS}")
    model = folder / "model.keras"
    try:
        with model.open("rb") as file:
            weights = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StartError(
            f"{model} cannot be read ({error.strerror}); it should be what Keras' model.save wrote"
        ) from error
    recipe = _read_preprocessing(folder / "preprocessing.json")
    labels = load_labels(folder / "labels.csv")
    shared = {name: getattr(recipe, name) for name in Preprocessing.__struct_fields__}
    identity = digest(RECIPE, weights, recipe, labels)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name)  # for messages
    return ModelSpec(
        name,
        identity,
        Preprocessing(**shared),
        labels,
        lambda: build(model, recipe, len(labels)),
    )


def build(path: Path, recipe: FolderPreprocessing, classes: int) -> "keras.Model":
    """Loads the model and puts its preprocessing in front.

    Args:
        path: of ``model.keras``.
        recipe: what ``preprocessing.json`` says.
        classes: how many outputs there must be.

    Returns:
        uint8 [N, H, W, 3] RGB in 0..255 to float32 [N, classes] probabilities.

    Raises:
        StartError: it cannot be loaded, or its input or output is not what the files beside it say.
    """
    keras = load_keras()
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # the loader lets any error of a layer through
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise StartError(f"{path} cannot be loaded: {reason}") from error
    _check_shapes(path, network, recipe, classes)
    layers = keras.layers
    shape = (recipe.height, recipe.width, 3)
    image = keras.Input(shape, dtype="uint8", name="image")
    pixels = layers.Rescaling(
        recipe.scale, offset=recipe.offset, dtype="float32", name="rescale"
    )(image)
    output = network(keras.ops.cast(pixels, network.inputs[0].dtype))
    output = layers.Activation("linear", dtype="float32", name="output")(output)
    _check_answers(path, keras.Model(image, output), recipe)
    if recipe.logits:
        output = layers.Softmax(dtype="float32", name="predictions")(output)
    return keras.Model(image, output, name="folder")


def _read_preprocessing(path: Path) -> FolderPreprocessing:
    try:
        return msgspec.json.decode(path.read_bytes(), type=FolderPreprocessing)
    except OSError as error:
        raise StartError(
            f"{path} cannot be read ({error.strerror}); it should hold at least "
            '{"height": 224, "width": 224}'
        ) from error
    except msgspec.DecodeError as error:
        raise StartError(f"{path} is wrong: {error}") from error


def _check_shapes(
    path: Path, network: Any, recipe: FolderPreprocessing, classes: int
) -> None:
    """One image of the stated size in, one row of the stated length out."""
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise StartError(f"{path} must have one input and one output")
    wanted, found = (recipe.height, recipe.width, 3), tuple(network.inputs[0].shape[1:])
    # None: a network that takes any size.
    if len(found) != 3 or any(
        a not in (None, b) for a, b in zip(found, wanted, strict=True)
    ):
        raise StartError(
            f"{path} takes an input of {found} where preprocessing.json says {wanted} "
            "(height, width, channels)"
        )
    outputs = tuple(network.outputs[0].shape[1:])
    if outputs != (classes,):
        raise StartError(
            f"{path} has outputs of {outputs} where labels.csv holds {classes} labels"
        )


def _check_answers(path: Path, model: Any, recipe: FolderPreprocessing) -> None:
    """Whether the network ends with a softmax exactly if ``logits`` does not say otherwise."""
    noise = np.random.default_rng(0)
    images = noise.integers(0, 256, (2, recipe.height, recipe.width, 3), np.uint8)
    rows = np.asarray(model(images, training=False))
    sums = rows.sum(axis=1)
    probabilities = bool((rows >= 0).all() and (abs(sums - 1) <= SUM_TOLERANCE).all())
    if not probabilities and not recipe.logits:
        raise StartError(
            f"{path} does not answer with probabilities (a row sums to {sums[0]:.4g}, not 1); end "
            'it with a softmax, or write "logits": true into preprocessing.json'
        )
    if probabilities and recipe.logits:
        raise StartError(
            f'{path} ends with a softmax already; take "logits": true out of preprocessing.json'
        )
