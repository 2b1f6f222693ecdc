"""A short run of ``make scale``: gateways, Redis and waiting workers of its own."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.system import ROOT, environment


def test_it_measures_and_names_who_holds_back(tmp_path: Path) -> None:
    """One round of half a second: no error, every point with its costs, and files."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench.scale", "--rounds", "1", "--seconds", "0.5"),
            *("--only", "workers", "gateways", "--workers", "1", "2"),
            *("--results", str(tmp_path)),
        ],
        cwd=ROOT,
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    points = json.loads((tmp_path / "scale.json").read_text())["points"]
    assert {(one["sweep"], one["size"]) for one in points} == {
        *(("workers, asked over HTTP", size) for size in (1, 2)),
        *(("workers, fed through Redis", size) for size in (1, 2)),
        *(("workers, fed through Redis, slow engine", size) for size in (1, 2)),
        *(("gateways", size) for size in (1, 2, 4)),
    }
    for one in points:
        assert one["rate"] > 0
        assert 0 < one["engines_at_work"] <= 1.25  # a window cuts batches
        assert one["cost_ms"]["workers"] > 0
        assert one["bottleneck"]
        if one["sweep"] == "gateways":
            assert len(one["spread"]) == one["size"]
            assert sum(one["spread"]) == 64
    assert (tmp_path / "scale.md").read_text() in done.stdout
    assert (tmp_path / "scale.png").exists()
