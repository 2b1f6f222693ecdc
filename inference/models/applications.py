"""Any network of ``keras.applications`` by name, its ImageNet weights downloaded by Keras once.

Which weights they are is known only after they were loaded, which takes TensorFlow. So the first
``resolve`` builds the network and leaves a small record beside the converted models; later ones
read that and import nothing.
"""

import difflib
import functools
import hashlib
import importlib.metadata
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from common.errors import StartError

from .backend import load_keras
from .files import write_atomically
from .labels import IMAGENET, load_labels
from .preprocessing import Preprocessing
from .spec import ModelSpec, digest

if TYPE_CHECKING:
    import keras

RECIPE: Final = (
    "keras.applications/1"  # raise the number whenever ``build`` answers otherwise
)
CLASSES: Final = 1000
TRAINED_SIZE: Final = 224  # pixels; of MobileNetV3, whose graph leaves the size open
FETCH_FAILURE: Final = re.compile(
    r"URL fetch failure on \S*/(\S+):"
)  # keras.utils.get_file
# Keras stores these two under another name than they are served by (nasnet.py).
RENAMED: Final = {
    "NASNet-mobile.h5": "nasnet_mobile.h5",
    "NASNet-large.h5": "nasnet_large.h5",
}
# Where a word of a function's name ends: EfficientNet|B0, ResNet50|V2, ConvNeXt|Tiny.
WORD: Final = re.compile(
    r"(?<=[a-z])(?=B\d)|(?<=[a-z0-9])(?=V\d|XLarge|Tiny|Small|Base|Large|Mobile|ResNet)"
)


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a network once it was built.

    Attributes:
        name: as this catalogue spells it.
        keras: the version of Keras, whose code the network is.
        weights: SHA-256 over all weights in the network's order, hexadecimal.
        height: of the input, pixels.
        width: likewise.
    """

    name: str
    keras: str
    weights: str
    height: int
    width: int


def squash(name: str) -> str:
    """A name without case and separators, so that ResNet50V2 and resnet50_v2 are one."""
    return re.sub(r"[\s_-]", "", name).lower()


def resolve(name: str, data_dir: Path, others: tuple[str, ...] = ()) -> ModelSpec:
    """The spec of a network; the first time this builds it.

    Args:
        name: in any spelling, see ``squash``.
        data_dir: its folder ``models`` keeps the record.
        others: names to suggest besides those of Keras if this one is unknown.

    Raises:
        StartError: no such network, or its weights cannot be had.
    """
    version = importlib.metadata.version("keras")
    record = _record(name, data_dir)
    if record is None:
        function, canonical = _find(name, others)
        model = build(function)
        height, width = model.input_shape[1:3]
        record = Record(canonical, version, _hash_weights(model), height, width)
        path = _path(name, data_dir)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(record))
    preprocessing = Preprocessing(height=record.height, width=record.width)
    labels = load_labels(IMAGENET, CLASSES)
    recipe = f"{RECIPE} {record.name} keras/{version}"
    identity = digest(recipe, record.weights, preprocessing, labels)
    return ModelSpec(
        record.name,
        identity,
        preprocessing,
        labels,
        lambda: build(_find(name, others)[0]),
    )


def known(name: str, data_dir: Path, others: tuple[str, ...] = ()) -> bool:
    """Whether ``resolve`` answers at once, without building the network; raises as it does."""
    if _record(name, data_dir) is not None:
        return True
    _find(name, others)
    return False


@functools.cache  # the first start resolves and builds: once is enough
def build(function: str, weights: str | None = "imagenet") -> "keras.Model":
    """Builds a network with its own preprocessing in front.

    Args:
        function: as Keras spells it, such as ``ResNet50``.
        weights: ``imagenet``, or None for random ones.

    Returns:
        uint8 [N, H, W, 3] RGB in 0..255 to float32 [N, 1000] probabilities. The layer before the
        softmax is called ``logits``.

    Raises:
        StartError: the weights cannot be downloaded.
    """
    keras = load_keras()
    builder = getattr(keras.applications, function)
    module = getattr(keras.applications, builder.__module__.rpartition(".")[2])
    try:
        network = builder(weights=weights, classifier_activation=None)
    except Exception as error:  # Keras raises plain Exception when a download fails
        raise _missing(function, error) from error
    shape = [side or TRAINED_SIZE for side in network.input_shape[1:]]
    image = keras.Input(shape, dtype="uint8", name="image")
    pixels = keras.ops.cast(image, "float32")
    logits = network(module.preprocess_input(pixels))
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(logits)
    answer = keras.layers.Softmax(dtype="float32", name="predictions")(logits)
    return keras.Model(image, answer, name=_canonical(function))


def _path(name: str, data_dir: Path) -> Path:
    return data_dir / "models" / f"{re.sub('[^a-z0-9]', '', name.lower())}.json"


def _record(name: str, data_dir: Path) -> Record | None:
    """What is known of a network as this Keras builds it."""
    record = _read(_path(name, data_dir))
    if record is None or record.keras != importlib.metadata.version("keras"):
        return None
    return record if squash(record.name) == squash(name) else None


def _read(path: Path) -> Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise StartError(
            f"{path} cannot be read ({error}); delete it and start again"
        ) from error


def _find(name: str, others: tuple[str, ...]) -> tuple[str, str]:
    """The function that builds a network, and the network's name here."""
    module = load_keras().applications
    functions = {
        squash(key): key for key, _ in inspect.getmembers(module, inspect.isfunction)
    }
    function = functions.get(squash(name))
    if function is not None:
        return function, _canonical(function)
    names = {
        squash(known): known
        for known in (*others, *map(_canonical, functions.values()))
    }
    close = difflib.get_close_matches(squash(name), names, n=4, cutoff=0.5)
    hint = (
        f"did you mean {', '.join(names[match] for match in close)}? " if close else ""
    )
    raise StartError(
        f"There is no model {name!r}: {hint}Name {others[0] if others else 'resnet50'}, a network "
        "of keras.applications such as resnet50, or a folder with model.keras in it"
    )


def _canonical(function: str) -> str:
    return WORD.sub("_", function).lower()


def _hash_weights(model: Any) -> str:
    total = hashlib.sha256()
    for values in model.get_weights():
        total.update(values.tobytes())
    return total.hexdigest()


def _missing(function: str, error: Exception) -> StartError:
    """What to do when weights could not be loaded."""
    name = _canonical(function)
    failure = FETCH_FAILURE.search(str(error))
    if failure is None:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return StartError(
            f"{name} could not be built with its ImageNet weights: {reason}"
        )
    file = RENAMED.get(failure[1], failure[1])
    from keras.src.backend.config import keras_home  # not public; usually ~/.keras

    home = Path(keras_home()).expanduser()
    return StartError(
        f"The weights of {name} could not be downloaded; with no network, put the file {file} "
        f"into {home / 'models'}, or use efficientnet_lite0, which needs no download"
    )
