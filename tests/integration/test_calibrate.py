"""Calibration from the command to the workers that follow it."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest
from PIL import Image

from common.settings import Settings, usable_cores
from inference import layout
from inference.layout import Layout, Shape
from inference.tensorflow_engine import TensorFlowEngine
from inference.trials import Crew, opened
from tests.support.system import ROOT, System, environment, with_model

COMMAND = (
    sys.executable,
    "-m",
    "inference",
    "calibrate",
    "--trial-s",
    "0.05",
    "--rounds",
    "2",
)


def calibrate(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environment(data_dir=folder, engine="litert"),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    """A data folder whose model has been calibrated."""
    data_dir = with_model(tmp_path_factory.mktemp("calibrate"), prepared / "models")
    done = calibrate(data_dir)
    assert done.returncode == 0, done.stderr
    (table,) = (data_dir / "models").glob("layout-*.txt")
    assert table.read_text() in done.stdout
    return data_dir


def stored(folder: Path) -> tuple[Path, Layout]:
    (file,) = (folder / "models").glob("layout-*-litert.json")
    return file, msgspec.json.decode(file.read_bytes(), type=Layout)


def test_it_measures_each_shape_and_draws_them(folder: Path) -> None:
    file, found = stored(folder)
    cores = usable_cores()
    assert {one.shape for one in found.points} == set(layout.shapes(cores, cores))
    assert all(one.images_per_s > 0 for one in found.points)
    assert (found.shape, found.max_batch) == layout.best(found.points)
    with Image.open(file.with_suffix(".png")) as picture:
        picture.load()


def test_workers_use_it_and_what_is_being_served_is_not_measured(folder: Path) -> None:
    """As stored, also where it is not what would have been taken without."""
    file, found = stored(folder)
    other = msgspec.structs.replace(found, shape=Shape(1, 3), max_batch=5)
    file.write_bytes(msgspec.json.encode(other))
    with System(folder, engine="litert", max_batch=0) as system:
        (worker,) = system.processes("inference worker")
        assert worker.cmdline()[-2:] == ["1", "3"]
        assert worker.environ()["PICTOR_MAX_BATCH"] == "5"
        said = [json.loads(line) for line in system.lines if '"layout"' in line]
        assert [(one["workers"], one["threads"]) for one in said] == [(1, 3)]
        assert "calibrated" in said[0]["source"]
        refused = calibrate(folder)
        assert refused.returncode != 0
        assert "another Pictor is running" in refused.stderr
    with System(folder, engine="litert", workers=2) as system:
        workers = system.processes("inference worker")
        assert sorted(one.cmdline()[-2] for one in workers) == ["1", "2"]


def test_what_is_measured_is_what_a_worker_is_made_of(prepared: Path) -> None:
    """Down to its decoders; here three, where one is usual."""
    names = {"ENGINE": "litert", "DECODERS": "3", "DATA_DIR": str(prepared)}
    settings = Settings.parse({f"PICTOR_{name}": one for name, one in names.items()})
    crew = Crew.start(settings, Shape(1, 1), [1, 4])
    try:
        (process,) = crew._processes
        started = psutil.Process(process.pid).children()
        decoding = [one for one in started if "decoder_process" in str(one.cmdline())]
        assert len(decoding) == 3
        assert crew.measure(4, 0.05) > 0
    finally:
        crew.close()


def test_it_is_measured_in_the_precision_of_the_settings(tmp_path: Path) -> None:
    names = {
        "ENGINE": "tensorflow",
        "PRECISION": "float16",
        "DATA_DIR": str(tmp_path),
    }
    settings = Settings.parse({f"PICTOR_{name}": one for name, one in names.items()})
    parts = opened(settings, Shape(1, 1), 4)
    assert isinstance(parts.engine, TensorFlowEngine)
    assert parts.engine.precision == "float16"
    assert parts.max_batch == 4
    parts.engine.close()
