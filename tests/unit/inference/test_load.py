"""What others use of the machine is told apart from what we use."""

import multiprocessing
import os
import sys
import time

import pytest

from inference.load import Load

BUSY_S = 1.0


def burn() -> None:
    """Keeps a core busy for BUSY_S of its time."""
    until = time.process_time() + BUSY_S
    while time.process_time() < until:
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/stat")
def test_what_we_and_our_children_use_is_not_others() -> None:
    """While a child runs it counts as others'; once it has ended, as ours: a core second less."""
    load = Load()
    began = time.monotonic()
    child = multiprocessing.get_context("spawn").Process(target=burn)
    child.start()
    os.waitid(os.P_PID, child.pid or 0, os.WEXITED | os.WNOWAIT)  # ended, not collected
    before_s = load.others_cores() * (time.monotonic() - began)
    child.join()
    after_s = load.others_cores() * (time.monotonic() - began)
    assert before_s >= 0.9 * BUSY_S
    assert before_s - after_s >= 0.9 * BUSY_S
