"""Short runs of ``make scale``: gateways, Redis and waiting workers of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.system import ROOT, environment

pytestmark = pytest.mark.alone


def measured(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """The points of one round of half a second, without errors; each with its costs, and files."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench.scale", "--rounds", "1", "--seconds", "0.5"),
            *(*arguments, "--results", str(folder)),
        ],
        cwd=ROOT,
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((folder / "scale.json").read_text())
    points: list[dict[str, Any]] = found["points"]
    for one in points:
        assert one["rate"] > 0
        assert 0 < one["engines_at_work"] <= 1.25  # a window cuts batches
        assert one["cost_ms"]["workers"] > 0
        assert one["bottleneck"]
        assert [window["errors"] for window in one["windows"]] == [0]
    assert (folder / "scale.md").read_text() in done.stdout
    assert (folder / "scale.png").exists()
    return points


def test_it_measures_workers_and_gateways_and_names_who_holds_back(
    tmp_path: Path,
) -> None:
    points = measured(tmp_path, "--only", "workers", "gateways", "--workers", "1", "2")
    assert {(one["sweep"], one["size"]) for one in points} == {
        *(("workers, asked over HTTP", size) for size in (1, 2)),
        *(("workers, fed through Redis", size) for size in (1, 2)),
        *(("workers, fed through Redis, slow engine", size) for size in (1, 2)),
        *(("gateways", size) for size in (1, 2, 4)),
    }
    for one in points:
        if one["sweep"] == "gateways":
            assert len(one["spread"]) == one["size"]
            assert sum(one["spread"]) == 64


def test_it_measures_backlogs_and_images_of_the_sizes_asked_for(tmp_path: Path) -> None:
    points = measured(
        tmp_path,
        *("--only", "backlog", "size"),
        *("--backlogs", "1000", "0", "--sizes", "500000", "10000"),
    )
    assert [(one["sweep"], one["size"]) for one in points] == [
        ("backlog, fed through Redis", 0),
        ("backlog, asked over HTTP before it", 0),
        ("backlog, fed through Redis", 1000),
        ("backlog, asked over HTTP before it", 1000),
        ("bytes of an image", 10_000),
        ("bytes of an image", 500_000),
    ]
    for one in points:
        over_http = one["sweep"] != "backlog, fed through Redis"
        assert (one["windows"][0]["asked"] > 0) is over_http
        assert (one["cost_ms"]["gateway"] > 0) is over_http
    small, large = points[-2:]
    assert large["cost_ms"]["gateway"] > small["cost_ms"]["gateway"]
    report = (tmp_path / "scale.md").read_text()
    assert "backlog, fed through Redis: rate at 1,000 ÷ at 0" in report
    assert "bytes of an image: Redis, ms a MB" in report
