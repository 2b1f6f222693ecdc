"""A peer that is ended leaves no process and no shared memory."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from common.parent import PARENT_VARIABLE

ROOT = Path(__file__).resolve().parents[3]
# A child in a session of its own shares memory with its parent, and neither ever ends.
SERVER = """
import multiprocessing.shared_memory, os, signal
memory = multiprocessing.shared_memory.SharedMemory(create=True, size=4096)
reading, writing = os.pipe()
if not (pid := os.fork()):
    os.setsid()
    os.write(writing, b".")
    signal.pause()
os.read(reading, 1)
print(memory.name, pid, flush=True)
signal.pause()
"""


@pytest.mark.parametrize("stopped", [False, True])
def test_the_keeper_leaves_nothing(stopped: bool) -> None:
    with subprocess.Popen(
        (sys.executable, "-m", "bench.peers.keeper", sys.executable, "-c", SERVER),
        cwd=ROOT,
        env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        name, pid = process.stdout.readline().split()
        memory, child = Path("/dev/shm", name), psutil.Process(int(pid))
        assert memory.exists()
        if stopped:
            child.suspend()
        process.terminate()
    assert not child.is_running()
    assert not memory.exists()
