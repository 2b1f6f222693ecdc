"""What the decoder process may use: memory and time for each picture, and no doors to anything else.

All of it is the kernel's to enforce, so that it holds in the midst of a codec too. A picture's allowance
follows from its pixels as soon as they are known; before that it must do with what a header needs.
"""

import ctypes
import os
import resource
import signal
import sys
from typing import Final

SLOWEST_PIXELS_PER_S: Final = 20e6
LEAST_CPU_S: Final = 1.0
SPARE_WALL_S: Final = 0.5
WALL_A_CPU: Final = 2.0  # engines and decoders share the cores
# The most that a pixel costs on its way, at 4 bytes a copy: two canvases and the frame of WebP, the
# bytes handed over, the image itself and one conversion. (Progressive JPEG, with its coefficients, and
# PNG stay below 14.)
BYTES_A_PIXEL: Final = 24
# GIF fills its canvas while its header is read. (WebP makes its canvas then too, but says how large.)
HEADER_BYTES_A_PIXEL: Final = 4
COPIES_OF_FILE: Final = 2  # Pillow's, and that of WebP's reader
SPARE_BYTES: Final = 64 << 20
_PR_SET_DUMPABLE: Final = 4  # <linux/prctl.h>, as the next
_PR_SET_NO_NEW_PRIVS: Final = 38


def cpu_s(pixels: int) -> float:
    """Seconds of a core that a picture may take, once its size is known; 0 pixels: to say its size."""
    return LEAST_CPU_S + pixels / SLOWEST_PIXELS_PER_S


def wall_s(pixels: int) -> float:
    """The same by the clock on the wall."""
    return SPARE_WALL_S + WALL_A_CPU * cpu_s(pixels)


class Sandbox:
    """The limits of this process; from its making on, it can open nothing."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._file_bytes = 0
        self._linux = sys.platform == "linux"
        # Kept open: how much is in use is asked for each picture.
        self._sizes = (
            os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            if self._linux
            else -1
        )
        close_doors()

    def begin(self, length: int) -> None:
        """The header of a file of this many bytes may be read."""
        self._file_bytes = COPIES_OF_FILE * length
        self._allow(0, HEADER_BYTES_A_PIXEL * self._max_pixels)

    def opened(self, pixels: int) -> None:
        """It has this many pixels, and may be decoded."""
        self._allow(pixels, BYTES_A_PIXEL * pixels)

    def end(self) -> None:
        """It is done. To wait for the next and to take it in is not bounded here."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self._linux:
            _limit_memory(resource.RLIM_INFINITY)

    def _allow(self, pixels: int, needed: int) -> None:
        signal.setitimer(signal.ITIMER_PROF, cpu_s(pixels))
        signal.setitimer(signal.ITIMER_REAL, wall_s(pixels))
        if self._linux:
            pages = int(os.pread(self._sizes, 32, 0).split()[0])
            _limit_memory(
                pages * resource.getpagesize() + SPARE_BYTES + self._file_bytes + needed
            )


def _limit_memory(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def unwatched() -> None:
    """From here on no other process of this user may trace this one or read its memory (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def close_doors() -> None:
    """From here on: no new descriptor (file, socket), nothing written to disk, no core dump, no child.

    The last does not hold for root, whom the limit on processes does not bind.
    """
    for limit in ("NOFILE", "FSIZE", "CORE", "NPROC"):
        resource.setrlimit(getattr(resource, f"RLIMIT_{limit}"), (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        # No program that it could start gains rights.
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    unwatched()
