"""A real Keras network of three categories that knows colours, and whose maps can be told by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np

from inference.models.backend import load_keras
from inference.models.labels import Label
from inference.models.preprocessing import Preprocessing

SIDE, CLASSES = 8, 3
SHAPE = [SIDE, SIDE, 3]
RECIPE = Preprocessing(height=SIDE, width=SIDE, crop=1.0)
LABELS = tuple(Label("", name, name) for name in ("red", "green", "blue"))
# What each channel, red, green and blue, says for each category: the columns.
KERNEL = np.array([[3, -2, -1], [-1, 4, -2], [-2, 1, 2]], np.float32)
BIAS = np.array([0.1, -0.2, 0.3], np.float32)
Head = Callable[[Any, Any], Any]


def pooled(layers: Any, features: Any) -> Any:
    """The plain way to end."""
    return layers.GlobalAveragePooling2D()(features)


def network(head: Head) -> Any:
    """A model, uint8 [N, 8, 8, 3] to float32 [N, 3] probabilities.

    Its feature map is the picture, 0 to 1, by way of a convolution; and `head`, given Keras' layers and
    that, makes probabilities.
    """
    keras = load_keras()
    layers = keras.layers
    image = keras.Input(SHAPE, dtype="uint8")
    scaled = layers.Rescaling(1 / 255, dtype="float32")(image)
    convolution = layers.Conv2D(3, 1, activation="relu", name="features")
    model = keras.Model(image, head(layers, convolution(scaled)))
    convolution.set_weights([np.eye(3, dtype=np.float32)[None, None], np.zeros(3)])
    return model


def with_weights(layer: Any, features: Any) -> Any:
    """A layer's output, with the weights above."""
    made = layer(features)
    layer.set_weights([KERNEL.reshape(layer.kernel.shape), BIAS])
    return made


def plain(layers: Any, features: Any) -> Any:
    """Pooling, a dense layer, softmax."""
    dense = layers.Dense(CLASSES)
    return layers.Softmax()(with_weights(dense, pooled(layers, features)))


def spoken(image: Any, place: int) -> Any:
    """By hand: what each place of an image, uint8 [1, 8, 8, 3], says for a category, from 0 up."""
    return np.maximum(image[0] / 255 @ KERNEL[:, place], 0)
