"""Has the explainer there while somebody asks what the network looked at, and only then.

The workers' parent looks at the stream (`common.keys.explanations`) and says all the while that it does,
so that gateways know whether a map can be had. What the explainer loads costs nothing before the first
map is asked for, and nothing after IDLE_S without another.
"""

import asyncio
import time
from typing import Final

from common import keys, logs, process
from common.connections import Keeper
from common.errors import StartError
from common.link import LinkLost, ReplyError
from common.supervisor import Child, Supervisor

LOOK_S: Final = 0.25  # from an entry to the start of who ends it, at most
TOLD_S: Final = 5.0  # how long gateways believe that somebody looks
IDLE_S: Final = 300.0
AGAIN_S: Final = 5.0  # after a start that failed

log = logs.get(__name__)


class Explaining:
    """Starts and ends the explainer of one model."""

    def __init__(self, link: Keeper, model: str, child: Child) -> None:
        """Nothing is started yet.

        Args:
            link: to Redis.
            model: its name there.
            child: the explainer.
        """
        self._link, self._child = link, child
        self._stream, self._told = keys.explanations(model), keys.explainer(model)
        self._supervisor: Supervisor | None = None
        self._starting: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._asked_at = self._not_before = time.monotonic()

    def start(self) -> None:
        """Starts to look."""
        self._watching = asyncio.create_task(self._watch())
        process.essential(self._watching)

    async def stop(self) -> None:
        """Ends looking, and the explainer, which finishes what it has in hand."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.end()

    async def end(self) -> None:
        """Ends the explainer; the next who asks has a fresh one started."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is None:
            return
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await supervisor.stop()

    async def _watch(self) -> None:
        away = False
        while True:
            try:
                await self._look()
                away = False
            except (LinkLost, ReplyError) as error:
                if not away:
                    log.warning("who asks for maps is unknown", reason=str(error))
                away = True
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        told = ("SET", self._told, b"", "PX", int(TOLD_S * 1000))
        _, waiting = await self._link.calls((told, ("XLEN", self._stream)))
        now = time.monotonic()
        if waiting:
            self._asked_at = now
            if self._supervisor is None and now >= self._not_before:
                self._begin()
        elif self._supervisor is not None and now - self._asked_at >= IDLE_S:
            log.info("nobody asks for maps any more")
            await self.end()

    def _begin(self) -> None:
        self._supervisor = Supervisor()
        self._starting = asyncio.create_task(self._start(self._supervisor))

    async def _start(self, supervisor: Supervisor) -> None:
        """Starts it; where that fails, it is tried again later, and gateways are refused nothing."""
        try:
            await supervisor.start(self._child)
        except StartError as error:
            log.error("no explainer can be started", reason=str(error))
            self._not_before = time.monotonic() + AGAIN_S
            self._supervisor = None
            await supervisor.stop()
