"""Short runs of ``make bench`` on whole systems of its own; the long one is for an idle machine."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.system import ROOT, environment

pytestmark = pytest.mark.alone

PNG = b"\x89PNG\r\n\x1a\n"
Found = dict[str, Any]


def measured(folder: Path, prepared: Path, only: list[str], **settings: int) -> Found:
    """What one round of one second found, without errors and wrong answers; report and output tell it."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench", "--rounds", "1", "--seconds", "1"),
            *("--no-peers", "--only", *only, "--out", str(folder)),
        ],
        cwd=ROOT,
        env=environment(data_dir=prepared, **settings),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: Found = json.loads((folder / "bench.json").read_text())
    report = (folder / "bench.md").read_text()
    assert "0 errors, 0 wrong answers" in report
    for one in found["figures"]:
        assert one["title"] in report
        assert one["title"] in done.stdout
    for sides in found["rounds"].values():
        for (seen,) in sides.values():
            assert (seen.get("errors", 0), seen.get("wrong", 0)) == (0, 0)
    assert found["pictor"]["text"] in report
    return found


def figures(found: Found) -> dict[str, Found]:
    return {one["name"]: one for one in found["figures"]}


def test_it_measures_memory_gateway_known_pictures_and_one_client(
    tmp_path: Path, prepared: Path
) -> None:
    only = ["memory", "gateway", "cached", "single"]
    found = measured(tmp_path, prepared, only, workers=1)
    values = figures(found)
    assert values.keys() == set(only)
    assert 1 < values["memory"]["value"] <= 1.3
    assert 0 < values["gateway"]["value"] < 1
    assert values["cached"]["value"] > 1
    assert values["single"]["value"] > 0
    assert values["memory"]["bar"] == "≤ 1.3"
    assert set(found["rounds"]["cached"]) == {"Pictor", "Pictor, known pictures"}
    for rounds in found["rounds"]["gateway"].values():
        assert rounds[0]["server_ms"] > 0


def test_it_measures_throughput_waits_and_large_pictures_and_says_with_what(
    tmp_path: Path, prepared: Path
) -> None:
    only = ["throughput", "openloop", "bulk", "large"]
    found = measured(tmp_path, prepared, only, workers=2)
    values = figures(found)
    # What one picture takes is measured for those that are compared with it.
    assert values.keys() == {"limit", "openloop", "bulk", "large", "single"}
    assert 0 < values["limit"]["value"] < 1.1
    assert values["openloop"]["value"] >= 1  # no wait is shorter than the work
    assert 0 < values["large"]["value"] < 1
    waits = found["rounds"]["openloop"]
    assert set(waits) == {"Poisson", "Poisson, bulk lane full"}
    for (seen,) in waits.values():
        assert len(seen["latencies_ms"]) == seen["offered"] > 0
    assert waits["Poisson, bulk lane full"][0]["bulk_refused"] > 0
    for name in ("throughput.png", "latency.png"):
        assert (tmp_path / name).read_bytes().startswith(PNG)
    ran = found["pictor"]
    assert (ran["model"], ran["engine"]) == ("efficientnet_lite0", "litert")
    assert ran["precision"] == "float32"
    assert ran["workers"] == len(ran["threads"]) == 2
    assert min(ran["threads"]) >= 1
    assert ran["differs"] == {
        "PICTOR_WORKERS": [2, 0],
        "PICTOR_LOG_LEVEL": ["error", "info"],
        "PICTOR_MAX_BACKLOG_BULK": [1000, 20000],
        "PICTOR_REDIS_MAXMEMORY_MB": [4096, 1024],
    }
