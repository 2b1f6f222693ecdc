"""A short run of ``make bench`` on a whole system of its own; the long one is for an idle machine."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.system import ROOT, environment


def test_it_measures_and_tells_what_it_found(tmp_path: Path, prepared: Path) -> None:
    """One round, one second: no error, no wrong answer, every figure with its bar, and files."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench", "--rounds", "1", "--seconds", "1"),
            *("--only", "memory", "gateway", "cached", "single"),
            *("--out", str(tmp_path)),
        ],
        cwd=ROOT,
        env=environment(data_dir=prepared, workers=1),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "bench.json").read_text())
    figures = {one["name"]: one for one in found["figures"]}
    assert figures.keys() == {"memory", "gateway", "cached", "single"}
    assert 1 < figures["memory"]["value"] <= 1.3
    assert 0 < figures["gateway"]["value"] < 1
    assert figures["cached"]["value"] > 1
    assert figures["single"]["value"] > 0
    assert figures["memory"]["bar"] == "≤ 1.3"
    assert set(found["rounds"]["cached"]) == {"Pictor", "Pictor, known pictures"}
    for rounds in found["rounds"]["gateway"].values():
        assert rounds[0]["server_ms"] > 0
    report = (tmp_path / "bench.md").read_text()
    assert "0 errors, 0 wrong answers" in report
    for one in figures.values():
        assert one["title"] in report
        assert one["title"] in done.stdout
