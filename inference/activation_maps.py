"""What a network looked at for a category, as a grid over what it saw: class activation maps.

Where the network ends in global average pooling and one dense layer, a category's logit is a sum over
the places of the last feature map, and each place's share in it is the map, exactly (CAM: Zhou et al.,
2016, arXiv:1512.04150). Of other networks, channels are weighted by the mean gradient of the logit, at
the last layer whose output still has places (Grad-CAM: Selvaraju et al., 2017, arXiv:1610.02391); where
both can be had they are equal but for a factor. What speaks against the category is left out.

How a network ends is found by listening to its layers (`inference.layer_calls`).
"""

import itertools
from collections.abc import Callable
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from common.errors import PictorError
from inference.engine import EngineError, Images, check_images, check_rows
from inference.layer_calls import Step, heard, made_by, scored
from inference.models.spec import ModelSpec
from inference.tensorflow_engine import configure, leaves

Row = NDArray[np.float32]
Grid = NDArray[np.float32]
Method = Literal["cam", "grad-cam"]

# What hands on what it is given, for one image: by their names in Keras. Of activations, see ORDERLY.
SAME: Final = frozenset({"Dropout", "SpatialDropout2D", "Identity", "Flatten"})
# Activations of logits that keep their order; what they are given is what a map is of.
ORDERLY: Final = frozenset({"linear", "softmax", "sigmoid", "log_softmax"})
POOLING: Final = "GlobalAveragePooling2D"
MOST_CELLS: Final = 128 * 128  # of a grid


class NoMap(PictorError):
    """A network has no layer whose output has places that a map could show."""


class ActivationMaps:
    """A built Keras model that says what it looked at.

    Attributes:
        method: ``cam`` (exact) or ``grad-cam``.
    """

    def __init__(self, model: Any, shape: list[int], classes: int) -> None:
        """Runs the model once, to see how it ends.

        Args:
            model: uint8 [N, H, W, 3] to float32 [N, classes] probabilities.
            shape: [H, W, 3].
            classes: its outputs.

        Raises:
            NoMap: it has no feature map.
        """
        import tensorflow as tf

        self._tf, self._model = tf, model
        self._shape, self._classes = shape, classes
        layers = {id(layer): layer for layer in leaves(model)}.values()
        steps: list[Step] = []
        with heard(list(layers), steps.append):
            row = model(tf.zeros((1, *shape), tf.uint8), training=False)
        self._scorer, before = made_by(steps, row, SAME - {"Flatten"}, ORDERLY)
        pooling = self._pooling(before)
        self.method: Method = "grad-cam" if pooling is None else "cam"
        self._places = _with_places(steps) if pooling is None else pooling
        self._traced: Any = None if pooling is None else self._trace()

    @classmethod
    def open(cls, spec: ModelSpec, threads: int = 1) -> Self:
        """Builds a model; takes seconds.

        Args:
            spec: the model.
            threads: as for `inference.tensorflow_engine.TensorFlowEngine`.

        Raises:
            StartError: it cannot be built.
            NoMap: it has no feature map.
        """
        from inference.models.backend import load_keras

        load_keras()
        import tensorflow as tf

        configure(tf, threads)
        preprocessing = spec.preprocessing
        shape = [preprocessing.height, preprocessing.width, 3]
        return cls(spec.build(), shape, len(spec.labels))

    def of(self, image: Images, pick: Callable[[Row], int]) -> tuple[Row, Grid]:
        """Classifies one image, and says what spoke for a category.

        Args:
            image: uint8 [1, H, W, 3] RGB in 0..255.
            pick: is given the probabilities, float32 [classes]; the category's place among them.

        Returns:
            The probabilities, and float32 [rows, columns], from 0 up, as large as the feature map.

        Raises:
            EngineError: the shape or type is another, or what came of it is not of finite numbers.
        """
        check_images(image, self._shape)
        pixels = self._tf.constant(image)
        row, grid = (self._cam if self.method == "cam" else self._grad_cam)(
            pixels, pick
        )
        if not np.isfinite(grid).all():
            raise EngineError("What the network looked at is not of finite numbers")
        return row, np.maximum(grid, 0)

    def _cam(self, pixels: Any, pick: Callable[[Row], int]) -> tuple[Row, Grid]:
        rows, features = self._traced(pixels)
        row: Row = check_rows(rows.numpy(), (1, self._classes))[0]
        weights = self._scorer.kernel.numpy()[:, pick(row)]
        return row, np.asarray(features.numpy()[0] @ weights, np.float32)

    def _trace(self) -> Any:
        """The network as a function of one image: its answer, and what is pooled; a sixth of the time."""
        tf = self._tf

        def look(image: Any) -> tuple[Any, Any]:
            steps: list[Step] = []
            with heard([self._places], steps.append):
                rows = self._model(image, training=False)
            return rows, steps[-1].given

        signature = [tf.TensorSpec([1, *self._shape], tf.uint8)]
        return tf.function(look, input_signature=signature).get_concrete_function()

    def _grad_cam(self, pixels: Any, pick: Callable[[Row], int]) -> tuple[Row, Grid]:
        tf = self._tf
        watched: list[Any] = []
        logits: list[Any] = []
        with tf.GradientTape(watch_accessed_variables=False) as tape:

            def watch(step: Step) -> None:
                tape.watch(step.made)
                watched.append(step.made)

            with heard([self._places], watch), scored(self._scorer, logits.append):
                rows = self._model(pixels, training=False)
            row: Row = check_rows(rows.numpy(), (1, self._classes))[0]
            place = pick(row)
            # Where the network hides its logits: the probability's logarithm is the nearest to one.
            scores = logits[-1] if logits else tf.math.log(rows)
            score = tf.reshape(scores, [-1])[place]
        features = watched[-1]
        gradient = tape.gradient(score, features)
        if gradient is None:
            raise NoMap(
                "the network's answer does not follow from its last feature map"
            )
        weights = gradient.numpy()[0].mean((0, 1))
        return row, np.asarray(features.numpy()[0] @ weights, np.float32)

    def _pooling(self, before: list[Step]) -> Any:
        """The layer that pools what the dense one at the end is given; None where it ends otherwise."""
        if type(self._scorer).__name__ != "Dense" or not before:
            return None
        pooling, _ = made_by(before[:-1], before[-1].given, SAME, frozenset({"linear"}))
        return pooling if type(pooling).__name__ == POOLING else None


def _with_places(steps: list[Step]) -> Any:
    """The last layer with weights before it, or its own, whose output is [1, rows, columns, channels]."""
    weighty = itertools.dropwhile(lambda step: not step.layer.weights, steps)
    for step in reversed(list(weighty)):
        shape = tuple(getattr(step.made, "shape", ()))
        if len(shape) == 4 and 1 < shape[1] * shape[2] <= MOST_CELLS:
            return step.layer
    raise NoMap("the network has no feature map")


def scaled(grid: Grid) -> bytes:
    """A grid as uint8, row by row, its largest value 255; all 0 where nothing is above 0."""
    peak = float(grid.max())
    share = grid / peak if peak > 0 else np.zeros_like(grid)
    return np.round(255 * share).astype(np.uint8).tobytes()
