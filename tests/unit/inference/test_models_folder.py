"""Your own model: three files in a folder, or one line that says which is wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import StartError
from inference.engine import LiteRTEngine
from inference.models.backend import load_keras
from inference.models.catalogue import resolve
from inference.models.conversion import convert
from inference.tensorflow_engine import TensorFlowEngine

# Keras asks NumPy for a copy in a way that TensorFlow's variables do not know yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning:keras")

HEIGHT, WIDTH, CLASSES = 12, 16, 3
RECIPE = {"height": HEIGHT, "width": WIDTH, "scale": [0.01, 0.02, 0.005], "offset": -1}

Change = Callable[[Path], Any]


def network(*, activation: str | None = "softmax", classes: int = CLASSES) -> Any:
    """A small network, large enough that a wrong pixel shows in the answer."""
    keras = load_keras()
    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((HEIGHT, WIDTH, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(image)
    x = layers.Flatten()(x)
    return keras.Model(image, layers.Dense(classes, activation=activation)(x))


def write(folder: Path, model: Any, **recipe: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")
    (folder / "labels.csv").write_text("label\ncat\ndog\nbrown_bear\n")
    (folder / "preprocessing.json").write_text(json.dumps(RECIPE | recipe))
    return folder


def noise(images: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(2).integers(
        0, 256, (images, HEIGHT, WIDTH, 3), np.uint8
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("own") / "my pets", network())


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_both_engines_answer_like_the_model_alone(folder: Path, tmp_path: Path) -> None:
    """The reference is the model as it was saved, its pixels scaled by hand."""
    spec = resolve(str(folder), tmp_path)
    assert [label.label for label in spec.labels] == ["cat", "dog", "brown_bear"]
    images = noise(5)
    expected = np.asarray(
        network()(images * np.array(RECIPE["scale"], "float32") - 1.0)
    )
    assert expected.std(axis=0).min() > 1e-3  # so that agreeing means something
    for engine in (
        LiteRTEngine(convert(spec, tmp_path), 1),
        TensorFlowEngine(spec, 1),
    ):
        assert engine.classes == CLASSES
        assert abs(engine.run(images) - expected).max() <= 1e-4
        engine.close()


def test_a_network_without_a_softmax_gets_one(tmp_path: Path) -> None:
    """``logits`` in preprocessing.json says that it ends without."""
    folder = write(tmp_path / "own", network(activation=None), logits=True)
    answer = np.asarray(resolve(str(folder), tmp_path).build()(noise(2)))
    assert np.allclose(answer.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(
        answer,
        network()(noise(2) * np.array(RECIPE["scale"], "float32") - 1.0),
        atol=1e-5,
    )


def test_its_name_can_be_part_of_a_key(folder: Path, tmp_path: Path) -> None:
    assert resolve(str(folder), tmp_path).name == "my-pets"


def test_the_digest_follows_each_file(copy: Path, tmp_path: Path) -> None:
    """Cached answers and converted files of the old content must not be used."""
    digests = [resolve(str(copy), tmp_path).digest]
    for change in (
        lambda: (copy / "labels.csv").write_text("label\ncat\ndog\nbear\n"),
        lambda: (copy / "preprocessing.json").write_text(
            json.dumps(RECIPE | {"offset": 0})
        ),
        lambda: network(activation=None).save(copy / "model.keras"),
    ):
        change()
        digests.append(resolve(str(copy), tmp_path).digest)
    assert len(set(digests)) == 4


def recipe(**values: Any) -> Change:
    return lambda folder: (folder / "preprocessing.json").write_text(
        json.dumps(RECIPE | values)
    )


def remove(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (remove("model.keras"), r"model\.keras cannot be read.*model\.save"),
        (remove("labels.csv"), r"labels\.csv cannot be read.*should hold the header"),
        (
            remove("preprocessing.json"),
            r"preprocessing\.json cannot be read.*\"height\"",
        ),
        (recipe(height="x"), r"preprocessing\.json is wrong: Expected `int`"),
        (recipe(crop=2), r"preprocessing\.json is wrong: .*crop"),
        (recipe(scael=2), r"preprocessing\.json is wrong: .*scael"),
        (recipe(scale=[1, 2]), r"preprocessing\.json is wrong: .*scale"),
    ],
)
def test_a_wrong_file_is_told_before_anything_is_built(
    copy: Path, tmp_path: Path, change: Change, says: str
) -> None:
    change(copy)
    with pytest.raises(StartError, match=says) as caught:
        resolve(str(copy), tmp_path)
    assert "\n" not in str(caught.value)


def with_lambda(folder: Path) -> None:
    """A model that carries code of its own."""
    keras = load_keras()
    image = keras.Input((HEIGHT, WIDTH, 3))
    x = keras.layers.Lambda(lambda pixels: pixels * 2)(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(image, keras.layers.Softmax()(x)).save(folder / "model.keras")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda folder: (folder / "model.keras").write_bytes(b"no zip"),
            "cannot be loaded",
        ),
        (with_lambda, "cannot be loaded.*(unsafe|Lambda)"),
        (
            recipe(width=17),
            r"takes an input of \(12, 16, 3\) where .* says \(12, 17, 3\)",
        ),
        (
            lambda folder: (folder / "labels.csv").write_text("label\ncat\ndog\n"),
            "labels.csv holds 2 labels",
        ),
        (
            lambda folder: network(activation=None).save(folder / "model.keras"),
            'end it with a softmax, or write "logits": true',
        ),
        (recipe(logits=True), "ends with a softmax already"),
    ],
)
def test_a_model_that_does_not_fit_is_told_when_it_is_built(
    copy: Path, tmp_path: Path, change: Change, says: str
) -> None:
    change(copy)
    with pytest.raises(StartError, match=says) as caught:
        resolve(str(copy), tmp_path).build()
    assert "\n" not in str(caught.value)
