"""From a Keras model to a LiteRT file, once: ``<data dir>/models/<digest>.tflite``.

A file of that name is whole, and it answered like the Keras model when it was made. Run this in
a process of its own (``inference.prepare``): TensorFlow takes a gigabyte that a worker can spare.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from common.errors import StartError

from .files import write_atomically
from .spec import ModelSpec

if TYPE_CHECKING:
    import keras

TOLERANCE: Final = 1e-4  # of a probability, and of the largest log-probability
PROBES: Final = 4  # images; more than one, so that a frozen batch size would be seen
FLOOR: Final = 1e-12  # below this a probability is noise, and its logarithm too

Stage = Callable[[str], AbstractContextManager[None]]


def cached(spec: ModelSpec, data_dir: Path) -> Path | None:
    """The converted file of a model, or None if it has not been converted yet."""
    path = _path(spec, data_dir)
    return path if path.is_file() else None


def convert(
    spec: ModelSpec, data_dir: Path, stage: Stage = lambda name: nullcontext()
) -> Path:
    """Converts a model to LiteRT float32 unless that was done before.

    Args:
        spec: the model.
        data_dir: the service's data directory.
        stage: wraps each stage, given its name; for progress.

    Returns:
        The converted file: uint8 [N, H, W, 3] to float32 [N, C], for any N.

    Raises:
        StartError: it cannot be built or converted, or answers differently afterwards.
    """
    path = _path(spec, data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        if path.is_file():
            return path
        with stage(f"building {spec.name}"):
            model = spec.build()
        with stage("converting"):
            content = _to_litert(spec, model, path)
        with stage("checking"):
            _check(spec, model, content)
        write_atomically(path, content)
    return path


def _path(spec: ModelSpec, data_dir: Path) -> Path:
    return data_dir / "models" / f"{spec.digest}.tflite"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One conversion at a time: a second process waits, and then finds the file.

    The kernel drops the lock with the process, so one that was killed leaves nothing behind that
    blocks; its temporary files are swept away here.
    """
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in folder.glob(".*.tflite.*"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield


def _to_litert(spec: ModelSpec, model: "keras.Model", path: Path) -> bytes:
    """The content of the converted file; what is needed on the way lies beside ``path``."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory(
        prefix=f".{path.name}.", dir=path.parent
    ) as folder:
        try:
            # By way of a SavedModel: the converter does not take a Keras 3 model directly.
            model.export(folder, verbose=False)
            content: bytes = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
        except Exception as error:  # the converter lets any error through
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StartError(
                f"{spec.name} cannot be converted to LiteRT; use the engine tensorflow ({reason})"
            ) from error
    return content


def _check(spec: ModelSpec, model: "keras.Model", content: bytes) -> None:
    """Compares with the Keras model on noise.

    Probabilities alone prove little: those of an unsure network are all alike. So their logarithms
    are compared too, which are the logits but for one constant a row.
    """
    preprocessing = spec.preprocessing
    shape = (PROBES, preprocessing.height, preprocessing.width, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    expected, found = np.asarray(model(images, training=False)), _run(content, images)
    if found.shape != expected.shape:
        raise StartError(
            f"{spec.name} has outputs of another shape after its conversion"
        )
    logs = [np.log(np.maximum(rows, FLOOR)) for rows in (expected, found)]
    difference = float(abs(expected - found).max())
    in_logits = float(abs(logs[0] - logs[1]).max() / max(1.0, abs(logs[0]).max()))
    # Written so that a NaN fails.
    if not (difference <= TOLERANCE and in_logits <= TOLERANCE):
        raise StartError(
            f"{spec.name} answers differently after its conversion to LiteRT (probabilities by "
            f"{difference:.1e}, logits by {in_logits:.1e} of the largest; {TOLERANCE:.0e} is "
            "allowed); use the engine tensorflow"
        )


def _run(content: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, images)
    interpreter.invoke()
    rows: NDArray[np.float32] = interpreter.get_tensor(
        interpreter.get_output_details()[0]["index"]
    )
    return rows
