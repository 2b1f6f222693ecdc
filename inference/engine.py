"""Images in, probabilities out: with `inference.tensorflow_engine` all that knows LiteRT or TensorFlow.

``LiteRTEngine`` runs the converted file (``models.conversion``) on a CPU and never imports
TensorFlow; ``TensorFlowEngine`` runs the Keras model, for a GPU. Both let go of the interpreter
lock while they compute, and agree with each other to 1e-4 where both compute in float32.
"""

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from common.errors import PictorError, StartError

from .models import conversion
from .models.spec import ModelSpec

if TYPE_CHECKING:
    from .tensorflow_engine import Precision

# LiteRT is given at once. With more, what a layer hands to the next no longer fits a core's cache,
# and an image takes longer.
IMAGES_A_THREAD: Final = 2

EngineKind = Literal["litert", "tensorflow"]
Images = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


class EngineError(PictorError):
    """An engine was given what does not fit, or did not return a row of finite numbers for each image."""


class Engine(Protocol):
    """Runs micro-batches of one model.

    Attributes:
        name: ``litert`` or ``tensorflow``.
        classes: columns of an answer.
    """

    name: str
    classes: int

    def run(self, images: Images) -> Probabilities:
        """Classifies a micro-batch.

        Args:
            images: uint8 [N, H, W, 3] RGB in 0..255, N at least 1, H and W the model's.

        Returns:
            float32 [N, classes] in 0..1, a row for each image in order, which stays valid.

        Raises:
            EngineError: the shape or type is another, rows are missing, or one is not of finite numbers.
        """

    def close(self) -> None:
        """Frees what it holds; it cannot run afterwards."""


class LiteRTEngine:
    """LiteRT with XNNPACK.

    One interpreter serves all batch sizes: changing the size costs next to nothing once the largest
    was seen, while an interpreter a size would hold the weights and tensors once more each.
    """

    name = "litert"

    def __init__(self, path: Path, threads: int) -> None:
        """Opens a converted file.

        Args:
            path: from ``conversion.convert``.
            threads: threads that compute.

        Raises:
            StartError: the file cannot be used.
        """
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter: Any = Interpreter(str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise StartError(
                f"{path} cannot be used ({error}); delete it and start again"
            ) from error
        image, answer = (
            self._interpreter.get_input_details()[0],
            self._interpreter.get_output_details()[0],
        )
        self._input: int = image["index"]
        self._output: int = answer["index"]
        self._dtype = np.dtype(image["dtype"])
        self._at_once = IMAGES_A_THREAD * threads
        self._batch, *self._shape = (int(side) for side in image["shape"])
        self.classes = int(answer["shape"][-1])

    def run(self, images: Images) -> Probabilities:
        check_images(images, self._shape)
        parts = [
            self._run(images[first : first + self._at_once])
            for first in range(0, len(images), self._at_once)
        ]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return check_rows(rows, (len(images), self.classes))

    def _run(self, images: Images) -> Probabilities:
        interpreter = self._interpreter
        if len(images) != self._batch:
            interpreter.resize_tensor_input(self._input, images.shape)
            interpreter.allocate_tensors()
            self._batch = len(images)
        interpreter.set_tensor(self._input, images.astype(self._dtype, copy=False))
        interpreter.invoke()
        rows: Probabilities = interpreter.get_tensor(self._output)  # a copy
        return rows

    def close(self) -> None:
        self._interpreter = None


def choose(kind: Literal["auto"] | EngineKind) -> EngineKind:
    """The engine that ``auto`` means here: TensorFlow if it can use a GPU, else LiteRT.

    Without importing TensorFlow: it takes an NVIDIA device, and the package that is built for it
    (``tensorflow-cpu`` on a machine with a GPU would be slower than LiteRT).
    """
    if kind != "auto":
        return kind
    package = any(importlib.metadata.distributions(name="tensorflow"))
    return "tensorflow" if gpu() and package else "litert"


def gpu() -> bool:
    """Whether there is an NVIDIA device."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def open_engine(
    kind: Literal["auto"] | EngineKind,
    spec: ModelSpec,
    data_dir: Path,
    threads: int,
    precision: "Precision" = "auto",
) -> Engine:
    """Opens the engine that settings and hardware ask for.

    Args:
        kind: ``auto`` is TensorFlow where it can use a GPU, else LiteRT.
        spec: the model.
        data_dir: the service's data directory.
        threads: threads that compute on a CPU.
        precision: of TensorFlow; LiteRT always computes in float32.

    Raises:
        StartError: the model is not prepared, or cannot be used.
    """
    if choose(kind) == "tensorflow":
        from .tensorflow_engine import TensorFlowEngine

        return TensorFlowEngine(spec, threads, precision)
    path = conversion.cached(spec, data_dir)
    if path is None:
        raise StartError(
            f"{spec.name} is not converted yet; run: python -m inference.prepare MODEL {data_dir}"
        )
    return LiteRTEngine(path, threads)


def check_images(images: Images, shape: list[int]) -> None:
    wrong = (
        images.ndim != 4 or list(images.shape[1:]) != shape or images.dtype != np.uint8
    )
    if wrong or not len(images):
        raise EngineError(
            f"The engine takes uint8 [N, {', '.join(map(str, shape))}], "
            f"not {images.dtype} {list(images.shape)}"
        )


def check_rows(rows: Probabilities, shape: tuple[int, int]) -> Probabilities:
    """As `check_count`, and each row must be of numbers: no other is to be published or kept."""
    check_count(rows, shape)
    if not np.isfinite(rows).all():
        raise EngineError("The engine returned a row that is not of finite numbers")
    return rows


def check_count(rows: Probabilities, shape: tuple[int, int]) -> Probabilities:
    """As many rows as images: a row must never reach another caller."""
    if rows.shape != shape:
        raise EngineError(
            f"The engine returned {list(rows.shape)} instead of {list(shape)}"
        )
    return rows
