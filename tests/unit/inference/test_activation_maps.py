"""Maps: exactly what each place says, however a network ends, and by the gradient what others mean."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.activation_maps import ActivationMaps, NoMap, scaled
from inference.engine import EngineError
from inference.models.applications import build
from inference.models.backend import load_keras
from inference.tensorflow_engine import leaves
from tests.support.colours import (
    BIAS,
    CLASSES,
    KERNEL,
    SHAPE,
    SIDE,
    Head,
    network,
    plain,
    pooled,
    spoken,
    with_weights,
)

# Keras asks NumPy for a copy in a way that TensorFlow's variables do not know yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning:keras")

IMAGE = np.random.default_rng(1).integers(0, 256, (1, *SHAPE), np.uint8)


def softmax_within(layers: Any, features: Any) -> Any:
    dense = layers.Dense(CLASSES, activation="softmax")
    return with_weights(dense, pooled(layers, features))


def with_dropout(layers: Any, features: Any) -> Any:
    dropped = layers.Dropout(0.5)(pooled(layers, features))
    return layers.Activation("softmax")(with_weights(layers.Dense(CLASSES), dropped))


def flattened(layers: Any, features: Any) -> Any:
    kept = layers.GlobalAveragePooling2D(keepdims=True)(features)
    dense = with_weights(layers.Dense(CLASSES), layers.Flatten()(kept))
    return layers.Softmax()(layers.Activation("linear")(dense))


def sigmoids(layers: Any, features: Any) -> Any:
    """Categories that do not shut each other out."""
    dense = layers.Dense(CLASSES, activation="sigmoid")
    return with_weights(dense, pooled(layers, features))


def nested(layers: Any, features: Any) -> Any:
    """A network within a network within this, as `keras.applications` and folders are built."""
    keras = load_keras()
    inside = keras.Input(features.shape[1:])
    inner = keras.Model(inside, softmax_within(layers, inside))
    between = keras.Input(features.shape[1:])
    outer = keras.Model(between, inner(between))
    return layers.Activation("linear")(outer(features))


def sequence(layers: Any, features: Any) -> Any:
    dense = layers.Dense(CLASSES)
    given = layers.GlobalAveragePooling2D()
    model = load_keras().Sequential([given, dense, layers.Softmax()])
    made = model(features)
    with_weights(dense, pooled(layers, features))
    return made


def averaged(layers: Any, features: Any) -> Any:
    """The same sum, but not by global pooling: no exact map is known of it."""
    mean = layers.Flatten()(layers.AveragePooling2D(SIDE)(features))
    return layers.Softmax()(with_weights(layers.Dense(CLASSES), mean))


def averaged_softmax_within(layers: Any, features: Any) -> Any:
    mean = layers.Flatten()(layers.AveragePooling2D(SIDE)(features))
    return with_weights(layers.Dense(CLASSES, activation="softmax"), mean)


def convolved(layers: Any, features: Any) -> Any:
    """As MobileNet ends."""
    kept = layers.GlobalAveragePooling2D(keepdims=True)(features)
    scores = with_weights(layers.Conv2D(CLASSES, 1), layers.Dropout(0.1)(kept))
    return layers.Softmax()(layers.Reshape((CLASSES,))(scores))


def convolved_first(layers: Any, features: Any) -> Any:
    """A map a category, pooled last: the last feature map is that of the categories."""
    scores = with_weights(layers.Conv2D(CLASSES, 1), features)
    return layers.Softmax()(pooled(layers, scores))


def maps_of(head: Head) -> ActivationMaps:
    return ActivationMaps(network(head), SHAPE, CLASSES)


def normal(grid: Any) -> Any:
    return grid / grid.max()


@pytest.mark.parametrize(
    "head",
    [plain, softmax_within, with_dropout, flattened, sigmoids, nested, sequence],
)
@pytest.mark.parametrize("place", range(CLASSES))
def test_a_map_is_what_each_place_says(head: Head, place: int) -> None:
    maps = maps_of(head)
    assert maps.method == "cam"
    _, grid = maps.of(IMAGE, lambda row: place)
    np.testing.assert_allclose(grid, spoken(IMAGE, place), atol=1e-5)


@pytest.mark.parametrize("head", [averaged, averaged_softmax_within, convolved])
@pytest.mark.parametrize("place", range(CLASSES))
def test_by_the_gradient_it_is_the_same_but_for_a_factor(
    head: Head, place: int
) -> None:
    """An identity: Selvaraju et al., 2017, section 3.1."""
    maps = maps_of(head)
    assert maps.method == "grad-cam"
    _, grid = maps.of(IMAGE, lambda row: place)
    by_hand = spoken(IMAGE, place)
    np.testing.assert_allclose(normal(grid), normal(by_hand), atol=1e-4)


@pytest.mark.parametrize("place", range(CLASSES))
def test_a_feature_map_a_category_is_its_map(place: int) -> None:
    """Its bias included, since that is part of what each place says there."""
    _, grid = maps_of(convolved_first).of(IMAGE, lambda row: place)
    scores = (IMAGE[0] / 255 @ KERNEL + BIAS)[..., place]
    np.testing.assert_allclose(normal(grid), normal(np.maximum(scores, 0)), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "method"),
    [("MobileNetV2", "cam"), ("MobileNet", "grad-cam"), ("VGG16", "grad-cam")],
)
def test_networks_of_keras_have_maps_as_large_as_their_last_features(
    name: str, method: str
) -> None:
    """The last of them has many dense layers; random weights will do."""
    load_keras().utils.set_random_seed(1)
    maps = ActivationMaps(build(name, None), [224, 224, 3], 1000)
    assert maps.method == method
    noise = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    found = [maps.of(noise, lambda row, n=n: n) for n in range(8)]  # type: ignore[misc]
    assert {(row.shape, grid.shape) for row, grid in found} == {((1000,), (7, 7))}
    assert len({scaled(grid) for _, grid in found if grid.max() > 0}) > 1


def test_a_relu_before_the_dense_layer_is_no_plain_sum() -> None:
    """What is clipped after pooling is not a sum over places any more."""

    def clipped(layers: Any, features: Any) -> Any:
        relu = layers.Activation("relu")(pooled(layers, features))
        return layers.Softmax()(with_weights(layers.Dense(CLASSES), relu))

    assert maps_of(clipped).method == "grad-cam"


@pytest.mark.parametrize("head", [plain, nested, averaged_softmax_within])
def test_probabilities_are_the_networks_and_it_stays_as_it_was(head: Head) -> None:
    model = network(head)
    expected = np.asarray(model(IMAGE, training=False))[0]
    maps = ActivationMaps(model, SHAPE, CLASSES)
    picked: list[NDArray[np.float32]] = []

    def pick(row: NDArray[np.float32]) -> int:
        picked.append(row)
        return int(row.argmax())

    row, _ = maps.of(IMAGE, pick)
    np.testing.assert_allclose(row, expected, atol=1e-6)
    np.testing.assert_array_equal(picked, [row])
    after = np.asarray(model(IMAGE, training=False))[0]
    np.testing.assert_array_equal(after, expected)
    assert not [layer for layer in leaves(model) if "call" in vars(layer)]


def test_a_network_without_a_feature_map_has_none() -> None:
    keras = load_keras()
    image = keras.Input(SHAPE, dtype="uint8")
    pixels = keras.layers.Rescaling(1 / 255, dtype="float32")(image)
    flat = keras.layers.Flatten()(pixels)
    model = keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax")(flat))
    with pytest.raises(NoMap):
        ActivationMaps(model, SHAPE, CLASSES)


def test_a_picture_that_speaks_against_a_category_leaves_its_map_empty() -> None:
    blue = np.zeros((1, *SHAPE), np.uint8)
    blue[..., 2] = 255
    _, grid = maps_of(plain).of(blue, lambda row: 0)
    assert scaled(grid) == bytes(SIDE * SIDE)


def test_numbers_that_are_none_are_no_map() -> None:
    model = network(plain)
    (dense,) = [layer for layer in model.layers if type(layer).__name__ == "Dense"]
    dense.bias.assign([np.nan] * CLASSES)
    maps = ActivationMaps(model, SHAPE, CLASSES)
    with pytest.raises(EngineError):
        maps.of(IMAGE, lambda row: 0)


def test_a_grid_is_scaled_to_its_strongest_place() -> None:
    grid = np.array([[0, 0.5, 2], [1, 0.001, 0]], np.float32)
    assert list(scaled(grid)) == [0, 64, 255, 128, 0, 0]
