"""What TensorFlow does for a GPU, tried on a processor: float16 between the weights, batches of fixed sizes."""

import dataclasses
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference.engine import EngineError, open_engine
from inference.models.backend import load_keras
from inference.models.catalogue import DEFAULT, resolve
from inference.models.labels import Label
from inference.models.preprocessing import Preprocessing
from inference.models.spec import ModelSpec
from inference.tensorflow_engine import (
    FIXED_SIZES,
    TOLERANCE,
    TensorFlowEngine,
    fixed_size,
    mix,
)
from tests.support.pictures import photograph

# Keras asks NumPy for a copy in a way that TensorFlow's variables do not know yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning:keras")

PHOTOGRAPHS = (
    *("coffee.png", "motorcycle_left.png", "motorcycle_right.png", "rocket.jpg"),
    *("camera.png", "chelsea.png", "astronaut.png", "brick.png"),
)
SIDE, CLASSES = 12, 3
Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return resolve(DEFAULT, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(spec: ModelSpec, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """As without a GPU."""
    folder = tmp_path_factory.mktemp("data")
    engine = open_engine("tensorflow", spec, folder, threads=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def half(
    spec: ModelSpec, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TensorFlowEngine]:
    """As with one."""
    folder = tmp_path_factory.mktemp("data")
    engine = open_engine("tensorflow", spec, folder, threads=1, precision="float16")
    assert isinstance(engine, TensorFlowEngine)
    yield engine
    engine.close()


def photographs(spec: ModelSpec) -> Array:
    """Eight, as the decoder hands them over, uint8 [8, H, W, 3]."""
    wanted = spec.preprocessing
    found = []
    for name in PHOTOGRAPHS:
        with Image.open(io.BytesIO(photograph(name))) as image:
            found.append(
                image.convert("RGB").resize(
                    (wanted.width, wanted.height),
                    Image.Resampling.BICUBIC,
                    box=wanted.box(image.height, image.width),
                )
            )
    return np.stack([np.asarray(image) for image in found])


def computed(engine: TensorFlowEngine) -> Counter[tuple[str, str]]:
    """Kinds of operations, each with the type of its result."""
    return Counter(
        (operation.type, operation.outputs[0].dtype.name)
        for operation in engine._function.graph.get_operations()
        if operation.outputs
    )


def test_float16_answers_like_float32_on_photographs(
    whole: TensorFlowEngine, half: TensorFlowEngine, spec: ModelSpec
) -> None:
    images = photographs(spec)
    expected, found = whole.run(images), half.run(images)
    assert found.dtype == np.float32
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert 0 < abs(found - expected).max() <= TOLERANCE / 2
    assert abs(found.sum(axis=1) - 1).max() <= 1e-5


def test_convolutions_are_float16_and_logits_and_probabilities_are_not(
    whole: TensorFlowEngine, half: TensorFlowEngine
) -> None:
    assert (whole.precision, half.precision) == ("float32", "float16")
    kinds = computed(half)
    assert kinds["Conv2D", "float16"] == computed(whole)["Conv2D", "float32"] > 30
    assert kinds["DepthwiseConv2dNative", "float16"] == 16
    for kind in ("Conv2D", "DepthwiseConv2dNative"):
        assert not kinds[kind, "float32"]
    for kind in ("MatMul", "Softmax"):
        assert (kinds[kind, "float32"], kinds[kind, "float16"]) == (1, 0)


def test_without_a_gpu_nothing_of_it_happens_unasked(whole: TensorFlowEngine) -> None:
    assert (whole.gpu, whole.precision, whole.fixed_sizes) == (False, "float32", ())


def test_batches_are_computed_in_fixed_sizes_and_cut_back(
    half: TensorFlowEngine, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each image gets the row that it gets alone."""
    images, sizes = photographs(spec), []
    function = half._function

    def counted(batch: Any) -> Any:
        sizes.append(int(batch.shape[0]))
        return function(batch)

    monkeypatch.setattr(half, "_function", counted)
    alone = np.concatenate([half.run(image[None]) for image in images])
    for size in (3, 5, 8):
        rows = half.run(images[:size])
        assert rows.shape == (size, 1000)
        assert abs(rows - alone[:size]).max() <= TOLERANCE / 10
    assert sizes == [1] * 8 + [4, 8, 8]


def test_a_row_that_is_missing_is_an_error_though_enough_are_left(
    half: TensorFlowEngine, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = half._function
    monkeypatch.setattr(half, "_function", lambda batch: function(batch)[1:])
    with pytest.raises(EngineError, match=r"\[3, 1000\] instead of \[4, 1000\]"):
        half.run(photographs(spec)[:3])


@given(st.integers(1, 1000))
def test_a_fixed_size_has_room_and_is_one_of_few(images: int) -> None:
    size = fixed_size(images)
    assert images <= size < 2 * images
    assert size in FIXED_SIZES if size <= 128 else size % 128 == 0


def network(scale: float, *, nested: bool = False) -> Any:
    """A small network whose activations are as large as `scale`."""
    keras = load_keras()
    keras.utils.set_random_seed(1)
    layers = keras.layers
    inner = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(inner)
    x = layers.Rescaling(scale)(x)
    x = layers.BatchNormalization(moving_variance_initializer="ones")(x)
    x = layers.Rescaling(1 / scale)(x)
    x = layers.Conv2D(8, 3)(x)
    rows = layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(x))
    body = keras.Model(inner, rows)
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    scaled = layers.Rescaling(1 / 128, offset=-1, dtype="float32")(image)
    if nested:
        return keras.Model(image, body(scaled))
    for layer in body.layers[1:]:
        scaled = layer(scaled)
    return keras.Model(image, scaled)


def small(scale: float) -> ModelSpec:
    labels = tuple(Label(wnid="", label=name, description="") for name in "abc")
    recipe = Preprocessing(height=SIDE, width=SIDE)
    return ModelSpec("small", "0" * 32, recipe, labels, lambda: network(scale))


def test_a_network_that_float16_does_not_suit_stays_in_float32() -> None:
    """Activations beyond 65,504 are infinite in float16."""
    noise = np.random.default_rng(3).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    for scale, precision in ((1.0, "float16"), (1e6, "float32")):
        engine = TensorFlowEngine(small(scale), 1, "float16")
        assert engine.precision == precision
        expected = np.asarray(network(scale)(noise))
        assert abs(engine.run(noise) - expected).max() <= TOLERANCE


def test_a_network_within_another_is_gone_through_as_well() -> None:
    """Networks of keras.applications and of folders are."""
    model = network(1.0, nested=True)
    mix(model)
    inner = next(layer for layer in model.layers if hasattr(layer, "layers"))
    kept = [layer.compute_dtype for layer in inner.layers]
    assert kept[1] == kept[-3] == "float16"
    assert kept[-1] == "float32"
    assert model.layers[1].compute_dtype == "float32"
    noise = np.random.default_rng(3).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    found = np.asarray(model(noise))
    assert found.dtype == np.float32
    assert 0 < abs(found - np.asarray(network(1.0)(noise))).max() <= TOLERANCE


CHEQUERED = (255 * (np.indices((SIDE, SIDE)).sum(axis=0) % 2)).astype(np.uint8)


def looking_for(pattern: Array) -> ModelSpec:
    """A network that float16 suits, but for a picture of this pattern [H, W], which is infinite then."""
    keras = load_keras()
    layers = keras.layers

    def build() -> Any:
        image = keras.Input((SIDE, SIDE, 3), dtype="uint8")
        x = layers.Rescaling(1 / 128, offset=-1, dtype="float32")(image)
        seen = layers.Conv2D(1, SIDE, use_bias=False)
        x = layers.ReLU()(layers.Rescaling(500)(seen(x)))
        x = layers.Rescaling(1 / 500)(x)
        named = layers.Dense(CLASSES, activation="softmax")
        model = keras.Model(image, named(layers.Flatten()(x)))
        kernel = np.repeat(np.float32(pattern)[..., None, None] / 127.5 - 1, 3, axis=2)
        seen.set_weights([kernel])
        named.set_weights([np.float32([[0.05, 0, -0.05]]), np.zeros(CLASSES)])
        return model

    return dataclasses.replace(small(1.0), _builder=build)


def test_a_picture_that_float16_cannot_hold_is_computed_in_float32() -> None:
    """Unlike any that it was tried with; no row of it is anything but numbers."""
    spec = looking_for(CHEQUERED)
    engine = TensorFlowEngine(spec, 1, "float16")
    assert engine.precision == "float16"
    noise = np.random.default_rng(3).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    chequered = np.repeat(CHEQUERED[None, ..., None], 3, axis=3)
    images = np.concatenate([noise, chequered])
    assert not np.isfinite(engine._function(engine._to_tensor(images)).numpy()).all()
    found = engine.run(images)
    assert np.isfinite(found).all()
    assert abs(found - np.asarray(spec.build()(images))).max() <= TOLERANCE


@pytest.mark.parametrize("value", [0, 255], ids=["black", "white"])
def test_a_network_that_float16_does_not_suit_on_plain_pictures_stays_in_float32(
    value: int,
) -> None:
    """Noise would not show it."""
    spec = looking_for(np.full((SIDE, SIDE), value, np.uint8))
    assert TensorFlowEngine(spec, 1, "float16").precision == "float32"


def test_a_network_that_cannot_be_made_in_float16_stays_in_float32() -> None:
    keras = load_keras()
    layers = keras.layers

    def only(x: Any) -> Any:
        if x.dtype != "float32":
            raise TypeError("float32 alone")
        return x

    def build() -> Any:
        image = keras.Input((SIDE, SIDE, 3), dtype="uint8")
        x = layers.Rescaling(1 / 128, offset=-1, dtype="float32")(image)
        x = layers.Lambda(only)(layers.Conv2D(8, 3)(x))
        x = layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(x))
        return keras.Model(image, x)

    engine = TensorFlowEngine(
        dataclasses.replace(small(1.0), _builder=build), 1, "float16"
    )
    assert engine.precision == "float32"
    black = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    assert engine.run(black).shape == (2, CLASSES)
