"""``python -m bench.peers.keeper COMMAND...``: runs a command, and ends all that came of it, whatever happens.

Some servers start processes that leave their tree and their session. Here these fall to the keeper,
which kills every descendant when the command ends, when it is told to stop, and when whoever started
it dies.
"""

import contextlib
import ctypes
import os
import signal
import sys
from typing import Final

import psutil

from common.parent import PARENT_VARIABLE, end_with_parent

PR_SET_CHILD_SUBREAPER: Final = 36  # <linux/prctl.h>
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
    with contextlib.suppress(ChildProcessError):  # nobody is left
        while True:
            for one in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            os.waitpid(-1, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
