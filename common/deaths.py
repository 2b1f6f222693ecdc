"""What a parent counts and tells of its children that die.

A crash loop is no secret: it is logged (`common.child`), counted for Prometheus, and, where workers
are concerned, told to gateways, whose `/readyz` repeats it.
"""

import asyncio
from typing import Any, Final

from common import keys, logs
from common.connections import Keeper
from common.link import LinkLost, ReplyError
from common.supervisor import End

TROUBLE_S: Final = 60  # how long a crash loop is told of after its last death

log = logs.get(__name__)


class Deaths:
    """The ends of a parent's children; make it once PROMETHEUS_MULTIPROC_DIR is set."""

    def __init__(self, link: Keeper | None = None) -> None:
        from prometheus_client import Counter
        from prometheus_client.multiprocess import mark_process_dead

        self._mark_dead: Any = mark_process_dead
        self._counter = Counter(
            "pictor_child_deaths", "Processes that ended unasked.", ["child"]
        )
        self._link = link
        self._telling: set[asyncio.Task[None]] = set()

    def counted(self, end: End) -> None:
        """For `Child.ended` of one without which the rest can do its work: gateways are told nothing."""
        self._mark_dead(end.pid)
        if end.status is not None:
            self._counter.labels(end.child).inc()

    def ended(self, end: End) -> None:
        """For `Child.ended`."""
        self.counted(end)
        if end.status is None:
            return
        if end.keeps_dying and self._link is not None:
            task = asyncio.create_task(self._tell(self._link, in_words(end)))
            self._telling.add(task)  # the loop keeps only weak references
            task.add_done_callback(self._telling.discard)

    async def _tell(self, link: Keeper, text: str) -> None:
        try:
            await link.call("SET", keys.trouble(), text, "EX", TROUBLE_S)
        except (LinkLost, ReplyError) as error:
            log.warning("gateways cannot be told", trouble=text, reason=str(error))


def in_words(end: End) -> str:
    """A crash loop in a line."""
    status = end.status or 0
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return f"{end.child} ended {end.lately} times within a minute, last with {how}"
