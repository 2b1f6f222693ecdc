"""Conversion: a file that appears whole or not at all, and answers like its model."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import StartError
from inference.engine import LiteRTEngine
from inference.models import applications, conversion
from inference.models.backend import load_keras
from inference.models.catalogue import resolve
from inference.models.conversion import cached, convert
from inference.models.labels import Label
from inference.models.preprocessing import Preprocessing
from inference.models.spec import ModelSpec, digest

# Keras asks NumPy for a copy in a way that TensorFlow's variables do not know yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning:keras")

SIDE = 8


def spec_of(
    builder: Callable[[], Any], side: int = SIDE, classes: int = 2
) -> ModelSpec:
    preprocessing = Preprocessing(height=side, width=side)
    labels = tuple(Label("", f"class_{index}", "") for index in range(classes))
    identity = digest("test", "0", preprocessing, labels)
    return ModelSpec("small", identity, preprocessing, labels, builder)


def small() -> Any:
    keras = load_keras()
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255, dtype="float32")(image)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(2, activation="softmax")(x))


def contents(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (data_dir / "models").iterdir())


def test_a_model_is_converted_once(tmp_path: Path) -> None:
    """The second call neither builds nor converts."""
    built: list[str] = []

    def build() -> Any:
        built.append("small")
        return small()

    spec = spec_of(build)
    assert cached(spec, tmp_path) is None
    path = convert(spec, tmp_path)
    assert path == tmp_path / "models" / f"{spec.digest}.tflite"
    assert convert(spec, tmp_path) == cached(spec, tmp_path) == path
    assert built == ["small"]
    assert contents(tmp_path) == [".lock", path.name]


@pytest.mark.parametrize("error", [2e-4, float("nan")])
def test_a_conversion_that_answers_differently_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    """Twice the tolerance is too much, and a NaN is no agreement either."""
    run = conversion._run
    monkeypatch.setattr(conversion, "_run", lambda *given: run(*given) + error)
    with pytest.raises(StartError, match="use the engine tensorflow"):
        convert(spec_of(small), tmp_path)
    assert contents(tmp_path) == [".lock"]


def unconvertible() -> Any:
    """A model with an operation that LiteRT lacks."""
    keras = load_keras()
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    square = keras.ops.cast(image, "float32")[..., 0]
    x = keras.layers.Flatten()(keras.ops.inv(square + 1000.0 * np.eye(SIDE)))
    return keras.Model(image, keras.layers.Dense(2, activation="softmax")(x))


def test_what_litert_lacks_is_told_in_one_line(tmp_path: Path) -> None:
    """TensorFlow runs such a model, so that is what to do."""
    with pytest.raises(
        StartError, match=r"cannot be converted.*use the engine"
    ) as caught:
        convert(spec_of(unconvertible), tmp_path)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == [".lock"]


def test_a_process_killed_while_writing_leaves_no_model(tmp_path: Path) -> None:
    """It dies with the content written but not yet on the disk; the next start cleans up."""
    spec = spec_of(small)
    (tmp_path / "models").mkdir()
    target = tmp_path / "models" / f"{spec.digest}.tflite"
    code = (
        "import os, pathlib, signal, sys; from inference.models import files;"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL);"
        "files.write_atomically(pathlib.Path(sys.argv[1]), b'half')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert cached(spec, tmp_path) is None
    assert len(contents(tmp_path)) == 1
    convert(spec, tmp_path)
    assert contents(tmp_path) == [".lock", target.name]


def test_an_error_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, say."""

    def fail(handle: int) -> None:
        raise OSError("No space left on device")

    spec = spec_of(small)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        convert(spec, tmp_path)
    assert contents(tmp_path) == [".lock"]


def test_two_at_once_convert_once(tmp_path: Path) -> None:
    """The second process waits for the first and takes its file."""
    own = tmp_path / "own"
    own.mkdir()
    small().save(own / "model.keras")
    (own / "labels.csv").write_text("label\ncat\ndog\n")
    (own / "preprocessing.json").write_text(f'{{"height": {SIDE}, "width": {SIDE}}}')
    command = [sys.executable, "-m", "inference.prepare", str(own), str(tmp_path)]
    both = [
        subprocess.Popen(
            [*command, "--engine=litert"], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("converting" in lines for lines in said) == 1
    ready = {lines.splitlines()[-1] for lines in said}
    assert ready == {f"ready: {cached(resolve(str(own), tmp_path), tmp_path)}"}


def test_a_network_of_keras_agrees_after_conversion(tmp_path: Path) -> None:
    """Compared by logits, with statistics that keep random weights from shrinking them."""
    keras = load_keras()
    model = applications.build("MobileNet", None)
    network = next(layer for layer in model.layers if hasattr(layer, "layers"))
    images = np.random.default_rng(3).integers(0, 256, (4, 224, 224, 3), np.uint8)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)
    logits = np.asarray(
        keras.Model(model.input, model.get_layer("logits").output)(images)
    )
    assert logits.std() > 0.1
    spec = replace(spec_of(lambda: model, 224, 1000), name="mobilenet")
    engine = LiteRTEngine(convert(spec, tmp_path), 2)
    rows = np.log(engine.run(images))
    centred = [values - values.mean(axis=1, keepdims=True) for values in (rows, logits)]
    assert abs(centred[0] - centred[1]).max() <= 1e-4
