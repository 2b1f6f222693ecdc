"""``python -m bench.peers.keeper COMMAND...``: runs a command, and ends all that came of it, whatever happens.

Some servers start processes that leave their tree and their session. Here these fall to the keeper,
which kills every descendant when the command ends, when it is told to stop, and when whoever started
it dies; and removes the shared memory that they had, which would stay as long as the machine runs.
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Final

import psutil

from common.parent import PARENT_VARIABLE, end_with_parent

PR_SET_CHILD_SUBREAPER: Final = 36  # <linux/prctl.h>
SHARED: Final = "/dev/shm/"
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


def main(command: list[str]) -> int:
    """The command's exit status; 128 and the signal's number if it was told to stop."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("cannot adopt what the command leaves behind")
    end_with_parent()
    os.environ.pop(PARENT_VARIABLE, None)  # it is ours, not the command's
    child = os.posix_spawn(command[0], command, os.environ, setsigmask=())
    try:
        while True:
            number = signal.sigwait(SIGNALS)
            if number != signal.SIGCHLD:
                return 128 + number
            if (status := _reap(child)) is not None:
                return status
    finally:
        _end_all()


def _reap(child: int) -> int | None:
    """Takes note of all that have ended; the exit status of this one, if it is among them."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            return os.waitstatus_to_exitcode(status)
        if not pid:
            return None


def _end_all() -> None:
    """Kills every descendant, also one that is stopped or was started meanwhile."""
    shared: set[Path] = set()
    with contextlib.suppress(ChildProcessError):  # nobody is left
        while True:
            for one in psutil.Process().children(recursive=True):
                shared |= _shared(one.pid)
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            os.waitpid(-1, 0)
    for path in shared:
        path.unlink(missing_ok=True)


def _shared(pid: int) -> set[Path]:
    """The files in SHARED that a process has mapped; none if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines()
    except OSError:
        return set()
    return {Path(line[line.index(SHARED) :]) for line in lines if f" {SHARED}" in line}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
