"""The figures of all reports there are, computed again when there are others."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Final

from common.connections import Keeper
from gateway import feedback, feedback_figures
from gateway.feedback import Entry
from gateway.feedback_figures import Figures, Judged

MANY: Final = 1000  # reports; above that figures may be a little old
FRESH_S: Final = 2.0


class Overview:
    """Keeps the figures of one state of the stream; all who ask meanwhile share one computation."""

    def __init__(self, link: Keeper) -> None:
        self._link = link
        self._lock = asyncio.Lock()
        self._figures = Figures()
        self._state = ("", 0)
        self._made_at = -FRESH_S

    async def figures(self, newest: str, total: int) -> Figures:
        """Of the reports as they stand: the id of the newest, and how many there are.

        A report more changes the one, one taken back the other. Raises as `Keeper.calls` does.
        """
        async with self._lock:
            costly = self._state[1] > MANY
            recent = costly and time.monotonic() - self._made_at < FRESH_S
            if self._state != (newest, total) and not recent:
                self._figures = await self._compute()
                self._state, self._made_at = (newest, total), time.monotonic()
            return self._figures

    async def _compute(self) -> Figures:
        seen: set[str] = set()
        found: list[Judged] = []
        async for entries in feedback.walk(self._link, newest_first=True):
            found += judged(entries, seen)
        return await asyncio.to_thread(feedback_figures.of, found)


def judged(entries: Iterable[Entry], seen: set[str]) -> Iterator[Judged]:
    """The answers that reports judge, each by the first of them that is met here: the newest first.

    Args:
        entries: reports.
        seen: the ids of requests met so far; is added to.
    """
    for entry in entries:
        report = entry.report
        if report.verdict not in feedback.VERDICTS or report.request_id in seen:
            continue
        if report.request_id:
            seen.add(report.request_id)
        yield Judged(
            report.verdict == "right", report.answered, report.label, report.score
        )
