"""How much of the machine others use while something is measured."""

import os
import time
from pathlib import Path
from typing import Final

STAT: Final = Path("/proc/stat")
# Of its first line: user, nice, system, (idle, iowait,) irq, softirq, steal.
BUSY: Final = (0, 1, 2, 5, 6, 7)


class Load:
    """From its making on."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._busy_s = _busy_s()
        self._ours_s = _ours_s()

    def others_cores(self) -> float:
        """Cores that others kept busy, on average; 0 where the system does not say (other than Linux).

        Ours are this process and those children that have ended.
        """
        busy_s, ours_s = _busy_s() - self._busy_s, _ours_s() - self._ours_s
        return max(0.0, busy_s - ours_s) / max(time.monotonic() - self._since, 1e-3)


def _busy_s() -> float:
    """Seconds that all cores together were not idle, since the machine started."""
    if not STAT.is_file():
        return 0.0
    ticks = STAT.read_text().split("\n", 1)[0].split()[1:]
    return sum(int(ticks[at]) for at in BUSY) / os.sysconf("SC_CLK_TCK")


def _ours_s() -> float:
    return sum(os.times()[:4])
