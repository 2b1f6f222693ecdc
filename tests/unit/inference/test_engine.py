"""Engines: the right answers, a row for each image, and no TensorFlow where none is needed."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
from PIL import Image

from inference.engine import (
    Engine,
    EngineError,
    LiteRTEngine,
    check_rows,
    open_engine,
)
from inference.models.backend import load_keras
from inference.models.catalogue import DEFAULT, resolve
from inference.models.conversion import cached
from inference.models.spec import ModelSpec
from inference.tensorflow_engine import TensorFlowEngine

PREPARE = [sys.executable, "-m", "inference.prepare", "--engine=litert", DEFAULT]
PHOTOGRAPHS = Path(skimage.__file__).parent / "data"
Array = np.ndarray[Any, np.dtype[Any]]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the default model, prepared as a service prepares it."""
    folder = tmp_path_factory.mktemp("data")
    done = run(*PREPARE, str(folder))
    assert done.stderr == ""
    stages = [line.split(" ...")[0] for line in done.stdout.splitlines()]
    assert stages[:-1] == [
        f"looking up {DEFAULT}",
        f"building {DEFAULT}",
        "converting",
        "checking",
    ]
    return folder


@pytest.fixture(scope="module")
def spec(data_dir: Path) -> ModelSpec:
    return resolve(DEFAULT, data_dir)


@pytest.fixture(scope="module")
def litert(spec: ModelSpec, data_dir: Path) -> Iterator[Engine]:
    engine = open_engine("litert", spec, data_dir, threads=2)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def tensorflow(spec: ModelSpec, data_dir: Path) -> Iterator[Engine]:
    engine = open_engine("tensorflow", spec, data_dir, threads=2)
    yield engine
    engine.close()


def noise(images: int) -> Array:
    return np.random.default_rng(images).integers(
        0, 256, (images, 224, 224, 3), np.uint8
    )


def photograph(name: str, spec: ModelSpec) -> Array:
    """A photograph as the decoder hands it over, uint8 [1, H, W, 3]."""
    wanted = spec.preprocessing
    with Image.open(PHOTOGRAPHS / name) as image:
        pixels = image.convert("RGB").resize(
            (wanted.width, wanted.height),
            Image.Resampling.BICUBIC,
            box=wanted.box(image.height, image.width),
        )
    return np.asarray(pixels)[None]


@pytest.mark.parametrize("kind", ["litert", "tensorflow"])
@pytest.mark.parametrize(
    ("name", "label", "score"),
    [("coffee.png", "espresso", 0.9), ("motorcycle_left.png", "moped", 0.3)],
)
def test_a_photograph_gets_its_category(
    kind: str, name: str, label: str, score: float, spec: ModelSpec, request: Any
) -> None:
    """This holds only if architecture, weights and preprocessing are all as published."""
    row = request.getfixturevalue(kind).run(photograph(name, spec))[0]
    assert spec.labels[row.argmax()].label == label
    assert row.max() > score


def test_both_engines_give_the_logits_of_keras(
    litert: Engine, tensorflow: Engine, spec: ModelSpec
) -> None:
    """The logarithm of a softmax is its logits but for one constant a row."""
    model = spec.build()
    images = np.concatenate([noise(2), photograph("coffee.png", spec)])
    keras = load_keras()
    logits = np.asarray(
        keras.Model(model.input, model.get_layer("logits").output)(images)
    )
    logits = logits - logits.mean(axis=1, keepdims=True)
    for engine in (litert, tensorflow):
        found = np.log(engine.run(images))
        found -= found.mean(axis=1, keepdims=True)
        assert abs(found - logits).max() <= 1e-4


@pytest.mark.parametrize("kind", ["litert", "tensorflow"])
def test_a_batch_gives_each_image_the_row_it_gets_alone(
    kind: str, request: Any
) -> None:
    """Sizes change up and down, as micro-batches do."""
    engine = request.getfixturevalue(kind)
    images = noise(7)
    alone = np.concatenate(
        [engine.run(images[index : index + 1]) for index in range(7)]
    )
    for size in (7, 3, 4, 1):
        assert abs(engine.run(images[:size]) - alone[:size]).max() <= 1e-5


@pytest.mark.parametrize("kind", ["litert", "tensorflow"])
def test_an_answer_stays_valid_while_the_engine_goes_on(
    kind: str, request: Any
) -> None:
    """It is a copy, of probabilities, and may be written to."""
    engine = request.getfixturevalue(kind)
    assert (engine.name, engine.classes) == (kind, 1000)
    first = engine.run(noise(2))
    kept = first.copy()
    engine.run(255 - noise(2))
    assert np.array_equal(first, kept)
    assert first.dtype == np.float32
    assert np.allclose(first.sum(axis=1), 1, atol=1e-5)
    assert (first >= 0).all()
    first[0, 0] = 2.0


@pytest.mark.parametrize("kind", ["litert", "tensorflow"])
@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 224, 225, 3), np.uint8),
        np.zeros((224, 224, 3), np.uint8),
        np.zeros((0, 224, 224, 3), np.uint8),
        np.zeros((1, 224, 224, 3), np.float32),
    ],
)
def test_images_that_do_not_fit_are_refused(
    kind: str, images: Array, request: Any
) -> None:
    """And the engine works on."""
    engine = request.getfixturevalue(kind)
    with pytest.raises(EngineError, match="takes uint8"):
        engine.run(images)
    assert len(engine.run(noise(1))) == 1


def test_a_missing_row_is_an_error(
    litert: LiteRTEngine, tensorflow: TensorFlowEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the rows after it would reach the wrong callers."""

    class Interpreter:
        """Computes, but forgets one."""

        def __init__(self, real: Any) -> None:
            self.real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def get_tensor(self, index: int) -> Any:
            return self.real.get_tensor(index)[:-1]

    function = tensorflow._function
    monkeypatch.setattr(litert, "_interpreter", Interpreter(litert._interpreter))
    monkeypatch.setattr(tensorflow, "_function", lambda images: function(images)[:-1])
    for engine in (litert, tensorflow):
        with pytest.raises(
            EngineError, match=r"returned \[1, 1000\] instead of \[2, 1000\]"
        ):
            engine.run(noise(2))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_of_numbers_is_an_error(value: float) -> None:
    """It would be published, and kept as the answer to its image."""
    rows = np.full((2, 3), 0.5, np.float32)
    assert check_rows(rows, (2, 3)) is rows
    rows[1, 2] = value
    with pytest.raises(EngineError, match="finite"):
        check_rows(rows, (2, 3))


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["litert", "tensorflow"])
def test_other_threads_run_while_it_computes(kind: str, request: Any) -> None:
    """The heartbeat of a worker depends on it: the longest gap is far below the batch."""
    engine = request.getfixturevalue(kind)
    images = noise(8)
    engine.run(images)
    beats = [time.perf_counter()]
    done = threading.Event()

    def beat() -> None:
        while not done.wait(0.001):
            beats.append(time.perf_counter())

    thread = threading.Thread(target=beat)
    thread.start()
    start = time.perf_counter()
    engine.run(images)
    took = time.perf_counter() - start
    done.set()
    thread.join()
    within = [moment for moment in beats if start <= moment <= start + took]
    assert np.diff([start, *within, start + took]).max() < took / 2


def test_a_litert_process_imports_no_tensorflow(
    spec: ModelSpec, data_dir: Path
) -> None:
    """It would take half a gigabyte and seconds; memory stays within 300 MB at 16 images."""
    code = (
        "import sys, pathlib, numpy\n"
        "from inference.engine import open_engine\n"
        "from inference.models.catalogue import resolve\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        f"engine = open_engine('litert', resolve({DEFAULT!r}, folder), folder, 1)\n"
        "for size in (1, 16, 3):\n"
        "    engine.run(numpy.zeros((size, 224, 224, 3), numpy.uint8))\n"
        "print(sorted({'tensorflow', 'keras'} & sys.modules.keys()))\n"
        # Not getrusage: its maximum counts the parent's memory at the fork.
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(int(status.split('VmHWM:')[1].split()[0]) // 1024)\n"
    )
    done = run(sys.executable, "-c", code, str(data_dir))
    modules, megabytes = done.stdout.splitlines()
    assert modules == "[]"
    assert int(megabytes) < 300


def test_a_prepared_model_is_ready_at_once(data_dir: Path, spec: ModelSpec) -> None:
    done = run(*PREPARE, str(data_dir))
    assert done.stdout.splitlines()[-1] == f"ready: {cached(spec, data_dir)}"
    assert "converting" not in done.stdout
