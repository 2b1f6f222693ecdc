"""A short soak: clients of all kinds, and nothing of them left. ``make soak`` is the long one."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.system import ROOT, environment


def test_nothing_is_left_of_400_requests(tmp_path: Path, prepared: Path) -> None:
    """Keys, subscriptions, connections, tasks, descriptors and entries are back where they were."""
    found = tmp_path / "soak.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench.soak", "--requests", "400"),
            *("--counts-only", "--deadline-s", "5", "--json", str(found)),
        ],
        cwd=ROOT,
        env=environment(data_dir=prepared),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(found.read_text())
    assert seen["left_over"] == []
    assert seen["faults"] == {}
    assert sum(seen["outcomes"].values()) >= 400
    assert {"answered", "left", "bad, and told so"} <= seen["outcomes"].keys()
    assert seen["start"]["subscriptions"] >= 1
    names = seen["start"].keys()
    for part in ("gateway 1", "worker 1", "decoder 1", "redis"):
        assert f"descriptors, {part}" in names
