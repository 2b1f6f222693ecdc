"""What answers are compared with is computed as a worker computes it."""

from pathlib import Path

import pytest

from bench import reference
from common.settings import Settings
from inference.models import catalogue


def test_the_engine_is_asked_for_the_precision_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reference, "open_engine", lambda *given: given)
    settings = Settings(
        engine="tensorflow", precision="float16", data_dir=str(tmp_path)
    )
    spec = catalogue.resolve(settings.model, tmp_path)
    given = ("tensorflow", spec, settings.data_path, 3, "float16")
    assert reference.engine(settings, spec, 3) == given
