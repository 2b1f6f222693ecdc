"""No orphans: a process that asks the kernel to be ended with its parent, however that ends.

Apart from `common.process`, because the decoder process must start fast and imports no asyncio.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PARENT_VARIABLE: Final = "SUPERVISOR_PID"  # set by whoever starts a child
_PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>


def end_with_parent(signal_number: int = signal.SIGTERM) -> None:
    """Asks for a signal when the parent dies. Does nothing but on Linux.

    A parent that died before the request is noticed by its number.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    expected = os.environ.get(PARENT_VARIABLE)
    if expected is not None and int(expected) != os.getppid():
        sys.exit(0)
