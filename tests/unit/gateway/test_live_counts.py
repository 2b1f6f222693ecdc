"""What gateways have counted: the same, read from one process's memory or from many processes' files."""

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from gateway import live_counts, metrics
from gateway.live_counts import BOUNDS, FOLDER, Counted
from gateway.live_figures import gained
from tests.support.system import ROOT

COUNT = """
from gateway import metrics
metrics.ANSWER.observe(0.003)
metrics.ANSWER.observe(0.003)
metrics.ANSWER.observe(99)
metrics.ASKED.inc(4)
metrics.FETCHED.inc()
metrics.SHARED.inc(2)
metrics.KNOWN.inc(3)
metrics.UPLOAD.observe(0.5)
metrics.REPLY.observe(0.25)
metrics.REPLY.observe(0.5)
metrics.REFUSED.labels("busy").inc()
metrics.REFUSED.labels("no-file").inc(2)
metrics.REQUESTS.labels("/", "200").inc()
metrics.WAITING.set(7)
"""


def expected(times: int) -> Counted:
    answered = [0.0] * len(BOUNDS)
    answered[1], answered[-1] = 2.0 * times, 1.0 * times
    refused = {"busy": 1.0 * times, "no-file": 2.0 * times}
    totals = [1, 4, 2, 3, 1, 0.5, 2, 0.75]
    return Counted(tuple(answered), refused, *(times * total for total in totals))


def test_one_process_reads_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    before = live_counts.read()
    exec(COUNT, {})
    more = asdict(gained(before, live_counts.read()))
    more["refused"] = {code: count for code, count in more["refused"].items() if count}
    assert more == asdict(expected(1))


def test_many_processes_share_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that have ended, so that nothing is lost by a renewal."""
    for _ in range(3):
        environment = {**os.environ, FOLDER: str(tmp_path)}
        command = [sys.executable, "-c", COUNT]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert live_counts.read() == expected(3)


def test_nothing_was_counted_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert live_counts.read() == Counted()


@pytest.mark.parametrize(
    "begun", [b"", b"\xff\0\0\0", b"\x20\0\0\0\0\0\0\0\xff\xff\0\0"]
)
def test_a_file_that_is_only_begun_is_an_error_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    (tmp_path / "counter_1.db").write_bytes(begun)
    with pytest.raises(OSError, match="not whole"):
        live_counts.read()


def test_the_bounds_are_those_that_are_measured_by() -> None:
    assert len(BOUNDS) == len(metrics.ANSWERED_S) + 1
    assert list(BOUNDS) == sorted(BOUNDS)
