"""Tests run two at a time (``make test``), but for those that measure the machine: these have it to themselves.

Each process of pytest-xdist takes a turn for each test: a shared one, or the whole machine. Two locks: who
waits for the whole holds the door meanwhile, so that it does not wait for as long as others come and go.
"""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The fixture `system` of tests/conftest.py is the first parameter of a test that has it.
SYSTEM = re.compile(r"^tests/(?!unit/).*\[(litert|tensorflow)\b")


def group(nodeid: str) -> str:
    """A name for all tests that share fixtures: a system of one engine, or those of a file."""
    found = SYSTEM.match(nodeid)
    return found[1] if found else nodeid.partition("::")[0]


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Waits until a test may run, beside others or alone; the locks lie in this folder.

    Processes that end, however they do, let go of what they hold.
    """
    with (folder / "machine").open("w") as machine:
        with (folder / "door").open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
