"""What keeps an engine from being opened, each in one line, and which one ``auto`` opens."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import StartError
from inference.engine import LiteRTEngine, choose, open_engine
from inference.models.catalogue import DEFAULT, resolve


def test_a_model_that_cannot_be_prepared_is_told_in_one_line(tmp_path: Path) -> None:
    """On stderr, nothing else there, and the exit status says so."""
    command = [
        sys.executable,
        "-m",
        "inference.prepare",
        str(tmp_path / "nothing"),
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"pictor: {tmp_path}/nothing is no folder")
    assert done.stderr.count("\n") == 1


def test_a_model_that_was_not_prepared_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"run: python -m inference\.prepare"):
        open_engine("litert", resolve(DEFAULT, tmp_path), tmp_path, 1)


def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"not a model at all")
    with pytest.raises(StartError, match="delete it and start again"):
        LiteRTEngine(path, 1)


@pytest.mark.parametrize(
    ("devices", "packages", "engine"),
    [
        (["/dev/nvidia0"], ["tensorflow"], "tensorflow"),
        (["/dev/nvidia0"], [], "litert"),  # tensorflow-cpu cannot use it
        ([], ["tensorflow"], "litert"),
    ],
)
def test_auto_is_tensorflow_only_where_it_can_use_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
    devices: list[str],
    packages: list[str],
    engine: str,
) -> None:
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(devices))
    monkeypatch.setattr(
        importlib.metadata, "distributions", lambda name: iter(packages)
    )
    assert choose("auto") == engine
    assert choose("litert") == "litert"
    assert choose("tensorflow") == "tensorflow"
