"""TensorFlow running the Keras model: on a GPU in mixed precision and batches of a few sizes.

One of the two engines of `inference.engine`. What it does for a GPU (``precision="float16"``) it also does
on a CPU when asked to, much slower, which is how it is tested.
"""

import logging
from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from inference.engine import (
    Images,
    Probabilities,
    check_count,
    check_images,
    check_rows,
)
from inference.models.spec import ModelSpec

Precision = Literal["auto", "float32", "float16"]
# Batches are filled up to the next of these; beyond the last, to a multiple of it. Each new size has a GPU's
# libraries look for their fastest ways once more.
FIXED_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)
NOISE: Final = 4  # images of it, among those that float16 is tried with
# Between float16 and float32: of a probability, and of the largest log-probability, which those of an unsure
# network are told apart by. Lite0: 0.004 and 0.003 on photographs and noise.
TOLERANCE: Final = 0.02
FLOOR: Final = 1e-12  # below this a probability is noise, and its logarithm too

log = logging.getLogger(__name__)


class TensorFlowEngine:
    """The Keras model as one traced function for all batch sizes.

    Never ``predict``: it is slow for small batches and grows.

    Attributes:
        gpu: whether there is one.
        precision: in which the convolutions are computed.
        fixed_sizes: the batches that are computed; empty: of any size.
    """

    name = "tensorflow"

    def __init__(
        self, spec: ModelSpec, threads: int, precision: Precision = "auto"
    ) -> None:
        """Builds the model and traces it.

        Args:
            spec: the model.
            threads: threads that compute on a CPU. They belong to the process, so the first
                engine of a process decides.
            precision: ``auto`` is float16 with a GPU, else float32. A network that float16 does not
                suit is computed in float32 all the same.

        Raises:
            StartError: the model cannot be built.
        """
        from .models.backend import load_keras

        load_keras()
        import tensorflow as tf

        self.gpu = configure(tf, threads)
        wanted = precision
        if wanted == "auto":
            wanted = "float16" if self.gpu else "float32"
        self.fixed_sizes = FIXED_SIZES if self.gpu or wanted == "float16" else ()
        model = spec.build()
        preprocessing = spec.preprocessing
        self._shape = [preprocessing.height, preprocessing.width, 3]
        self._to_tensor: Any = tf.constant
        # Float32, whatever follows.
        self._whole: Any = _trace(tf, model, self._shape)
        self._function = self._whole
        self.precision = "float32"
        self.classes = len(spec.labels)
        if wanted == "float16":
            self._halve(tf, model)

    def _halve(self, tf: Any, model: Any) -> None:
        """Goes over to float16, if that answers alike."""
        images = probes(self._shape)
        try:
            expected = self.run(images)
            mix(model)
            half = _trace(tf, model, self._shape)
            difference = _apart(expected, self._rows(half, images))
        except Exception:  # whatever it is, float32 is there
            log.exception("float16 does not suit this network")
            return
        if difference <= TOLERANCE:  # written so that a NaN fails
            self._function, self.precision = half, "float16"
        else:
            log.warning("float16 does not suit this network (off by %.1e)", difference)

    def run(self, images: Images) -> Probabilities:
        check_images(images, self._shape)
        rows = self._rows(self._function, images)
        if self.precision == "float16" and not np.isfinite(rows).all():
            # A picture unlike those it was tried with: what exceeds 65,504 in between is infinite.
            rows = self._rows(self._whole, images)
        return check_rows(rows, (len(images), self.classes))

    def _rows(self, function: Any, images: Images) -> Probabilities:
        """A row for each image, whatever is in it."""
        whole = filled_up(images) if self.fixed_sizes else images
        rows: Probabilities = function(self._to_tensor(whole)).numpy()  # a copy
        return check_count(rows, (len(whole), self.classes))[: len(images)]

    def close(self) -> None:
        self._function = self._whole = None


def probes(shape: list[int]) -> Images:
    """Pictures that float16 is tried with, uint8 [N, H, W, 3]: noise, white, black and a gradient."""
    noise = np.random.default_rng(0).integers(0, 256, (NOISE, *shape), np.uint8)
    plain = [np.full(shape, value, np.uint8) for value in (255, 0)]
    across = np.linspace(0, 255, shape[1]).astype(np.uint8)[None, :, None]
    return np.concatenate([noise, np.stack([*plain, np.broadcast_to(across, shape)])])


def mix(model: Any) -> None:
    """Has a built Keras model compute in float16 what lies between its first and its last weights.

    The weights stay float32, as do the scaling of pixels before them, the last layer with weights and what
    comes after it: logits and probabilities. (Keras' policy ``mixed_float16``.)
    """
    layers = list(leaves(model))
    weighty = [index for index, layer in enumerate(layers) if layer.weights]
    for layer in layers[weighty[0] : weighty[-1]] if weighty else []:
        layer.dtype_policy = "mixed_float16"


def leaves(model: Any) -> Iterator[Any]:
    """The layers in their order, those of networks within the network in their place."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from leaves(layer)
        else:
            yield layer


def fixed_size(images: int) -> int:
    """The size that a batch is filled up to."""
    for size in FIXED_SIZES:
        if images <= size:
            return size
    return -(-images // FIXED_SIZES[-1]) * FIXED_SIZES[-1]


def filled_up(images: Images) -> Images:
    """The batch, with black images behind it up to a fixed size."""
    size = fixed_size(len(images))
    if size == len(images):
        return images
    whole: NDArray[np.uint8] = np.zeros((size, *images.shape[1:]), np.uint8)
    whole[: len(images)] = images
    return whole


def _apart(expected: Probabilities, found: Probabilities) -> float:
    """The larger of the two differences that TOLERANCE bounds; NaN if anything is."""
    logs = [np.log(np.maximum(rows, FLOOR)) for rows in (expected, found)]
    in_logs = np.abs(logs[0] - logs[1]).max() / max(1.0, np.abs(logs[0]).max())
    return float(np.maximum(np.abs(expected - found).max(), in_logs))


def _trace(tf: Any, model: Any, shape: list[int]) -> Any:
    """The model as it is now as a function of uint8 [N, H, W, 3] for any N."""
    signature = tf.TensorSpec([None, *shape], tf.uint8)
    function = tf.function(
        lambda images: model(images, training=False), input_signature=[signature]
    )
    return function.get_concrete_function()


def configure(tf: Any, threads: int) -> bool:
    """Sets what TensorFlow takes only before its first operation; whether there is a GPU."""
    # TF32 keeps ten bits of a factor: answers would be off by 1e-3 on a GPU.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    devices = tf.config.list_physical_devices("GPU")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        # The network is one chain.
        tf.config.threading.set_inter_op_parallelism_threads(1)
        for device in devices:
            tf.config.experimental.set_memory_growth(device, True)
    except RuntimeError:
        log.warning("TensorFlow is running already: its threads stay as they are")
    return bool(devices)
