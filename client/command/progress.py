"""How far a run is, on stderr: a bar for people, nothing where nobody looks."""

import time
from collections import deque
from types import TracebackType
from typing import Final, Self

from client.collection.run import Tally
from client.words import printable

WINDOW_S: Final = 20.0  # over which the rate is taken


class Rate:
    """Files a second over the last while."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def of(self, count: int, now: float) -> float:
        """Takes in how many have ended until now."""
        self._seen.append((now, count))
        while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()
        since, before = self._seen[0]
        return (count - before) / (now - since) if now > since else 0.0


def in_words(seconds: float) -> str:
    """A time that is left: to the second while it is short, then to the minute."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class Progress:
    """A bar with done, failed, duplicates, rate and time left; a context manager."""

    def __init__(self, total: int, *, shown: bool) -> None:
        """Takes how many files are left to do, and whether anything is shown."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn
        from rich.progress import Progress as Bar
        from rich.progress import TextColumn

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            console=Console(stderr=True),
            refresh_per_second=5,
            disable=not shown,
            expand=True,
        )
        self._total = total
        self._task = self._bar.add_task("Classifying", total=total, told="")
        self._rate = Rate()

    def tell(self, tally: Tally) -> None:
        """How things stand now."""
        ended = tally.done + tally.failed
        rate = self._rate.of(ended, time.monotonic())
        left = in_words((self._total - ended) / rate) if rate else "–"
        told = f"{rate:.1f}/s, {left} left, {tally.failed} failed, {tally.reused} known already"
        self._bar.update(self._task, completed=ended, told=told)

    def say(self, text: str) -> None:
        """A line of its own, also where no bar is shown."""
        line = printable(text)
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
