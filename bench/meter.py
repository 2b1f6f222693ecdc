"""What a running system has used: processor time of its parts, from the kernel; batches, from its workers."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

# Of the machine's time, what is not work.
IDLE: Final = ("idle", "iowait", "steal", "guest", "guest_nice")


class Meter:
    """Reads how long each part's processes have run; all of them must outlive it."""

    def __init__(self, parts: Mapping[str, Sequence[int]]) -> None:
        self._parts = {
            part: [psutil.Process(pid) for pid in pids] for part, pids in parts.items()
        }
        self._parts["client"] = [psutil.Process(os.getpid())]
        self._before, self._busy_before = self._read(), _busy_s()

    def _read(self) -> dict[str, list[float]]:
        return {
            part: [sum(one.cpu_times()[:2]) for one in processes]
            for part, processes in self._parts.items()
        }

    def since(self) -> tuple[dict[str, float], dict[str, float], float]:
        """Processor seconds since it was made.

        Returns:
            By part; of each part's busiest process; and of all else on this machine.
        """
        after, busy_s = self._read(), _busy_s() - self._busy_before
        each = {
            part: [b - a for a, b in zip(self._before[part], after[part], strict=True)]
            for part in after
        }
        spent = {part: sum(seconds) for part, seconds in each.items()}
        busiest = {part: max(seconds, default=0.0) for part, seconds in each.items()}
        return spent, busiest, max(0.0, busy_s - sum(spent.values()))


def _busy_s() -> float:
    times = psutil.cpu_times()._asdict()
    return float(sum(value for name, value in times.items() if name not in IDLE))


def batches(folder: Path) -> tuple[int, int]:
    """Batches and their images, as all workers that count in a folder have run them until now."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    count, images = (
        registry.get_sample_value(f"pictor_batch_size_images_{what}") or 0.0
        for what in ("count", "sum")
    )
    return int(count), int(images)
