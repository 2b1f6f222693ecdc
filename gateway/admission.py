"""Whether there is room: backlog, live workers, memory; decided at the headers, body unread.

What Redis says is read ten times a second, so a bound is soft by what one such interval lets in.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from common import keys, logs, process, wire
from common.connections import Keeper, memory_share
from common.errors import BrokerAway, BrokerFull, NoWorker, QueueFull
from common.keys import LANES, Lane
from common.link import LinkLost, ReplyError
from gateway import metrics

REFRESH_S: Final = 0.1
DETAILS_S: Final = 1.0  # what changes slowly is read less often
GRACE_S: Final = 3.0  # after Redis was away: workers need two beats to be seen again
STALE_S: Final = 1.0  # what was read longer ago than this does not count
# Of maxmemory; the rest is for results. A collection that waits leaves room for people.
MEMORY_SHARES: Final[dict[Lane, float]] = {"interactive": 0.7, "bulk": 0.6}
FULL_SHARE: Final = 0.95  # from here on the entries that wait are not what fills it
WAIT_SHARE: Final = (
    0.8  # of the deadline may be spent waiting; the estimate is no better
)
LONGEST_RETRY_S: Final = 60.0
LEAST_RATE: Final = (
    0.1  # images a second; what a worker that has measured nothing is taken for
)
UNREAD: Final = "Redis has not answered yet"

log = logs.get(__name__)


@dataclass
class State:
    """What Redis said last.

    Attributes:
        backlog: entries a lane, those being worked on included.
        workers: live workers of our model.
        memory: used share of maxmemory; 0 where there is no bound.
        trouble: that workers keep dying, in words; or nothing.
        names: of all workers that have not said that they leave, those heard of no more included.
    """

    backlog: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(LANES, 0))
    workers: tuple[wire.Worker, ...] = ()
    memory: float = 0.0
    trouble: str = ""
    names: frozenset[str] = frozenset()

    @property
    def rate(self) -> float:
        """Images that all workers together classify a second, as they measure it."""
        return max(sum(worker.images_per_s for worker in self.workers), LEAST_RATE)

    @property
    def emptied_s(self) -> float:
        """Seconds until all that waits now has been run."""
        return sum(self.backlog.values()) / self.rate

    def wait_s(self, lane: Lane) -> float:
        """Seconds until what is added to a lane now has been run; bulk goes last."""
        ahead = (
            self.backlog[lane] if lane == "interactive" else sum(self.backlog.values())
        )
        return (ahead + 1) / self.rate


class Admission:
    """Reads how things stand and says yes or no."""

    def __init__(self, link: Keeper, model: str, bounds: dict[Lane, int]) -> None:
        self._link = link
        self._model = model
        self._bounds = bounds
        self._task: asyncio.Task[None] | None = None
        self._details_at = -math.inf
        self._returned_at = -math.inf
        self._tried = asyncio.Event()
        self.away: str = UNREAD  # why not, or empty
        self.read_at = -math.inf  # by `time.monotonic`
        self.state = State()

    def start(self) -> None:
        """Starts reading."""
        self._task = asyncio.create_task(self._keep_reading())
        process.essential(self._task)

    async def first(self) -> None:
        """Returns after the first reading, or the first failure to read."""
        await self._tried.wait()

    async def stop(self) -> None:
        """Stops reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def check(self, lane: Lane, deadline_s: float) -> None:
        """Lets a request in, at its headers, or says why not.

        Raises:
            BrokerAway, BrokerFull, NoWorker: nothing can be done now.
            QueueFull: it would not fit, or expire before its turn.
        """
        self._alive()
        self._room(lane, self._bounds[lane] - 1)
        self._in_time(lane, deadline_s)
        self.state.backlog[lane] += 1  # counted again from Redis in a moment

    def confirm(self, lane: Lane, deadline_s: float) -> None:
        """Looks once more when the body is there, which may have taken long; raises as `check`."""
        self._alive()
        self._room(lane, self._bounds[lane])  # in which it may be counted already
        self._in_time(lane, deadline_s)

    def _room(self, lane: Lane, most: int) -> None:
        """Redis has memory left, and no more than `most` entries wait in the lane."""
        state = self.state
        if state.memory >= FULL_SHARE:
            raise BrokerFull(retry_after_s=self._within(state.emptied_s / 2))
        if (beyond := state.backlog[lane] - most) > 0:
            raise QueueFull(retry_after_s=self._within(beyond / state.rate))
        if state.memory >= MEMORY_SHARES[lane]:
            raise QueueFull(retry_after_s=self._within(state.emptied_s / 2))

    def _alive(self) -> None:
        """Redis answers, and somebody is there to work."""
        if self.away or time.monotonic() - self.read_at > STALE_S:
            raise BrokerAway(retry_after_s=2)
        in_grace = time.monotonic() - self._returned_at < GRACE_S
        if not self.state.workers and not in_grace:
            raise NoWorker(retry_after_s=5)

    def _in_time(self, lane: Lane, deadline_s: float) -> None:
        """Its turn comes early enough."""
        wait_s = self.state.wait_s(lane) - WAIT_SHARE * deadline_s
        if self.state.workers and wait_s > 0:
            raise QueueFull(retry_after_s=self._within(wait_s))

    @staticmethod
    def _within(seconds: float) -> float:
        return min(max(1.0, seconds), LONGEST_RETRY_S)

    def serves(self, model_digest: str) -> bool:
        """Whether a live worker serves this model."""
        return any(one.model_digest == model_digest for one in self.state.workers)

    def unready(self) -> str:
        """Why `/readyz` says no; empty where it says yes."""
        if self.away:
            return self.away
        if not self.state.workers:
            return f"no worker is warm; {self.state.trouble}".rstrip("; ")
        return ""

    async def _keep_reading(self) -> None:
        while True:
            try:
                await self.read()
            except (LinkLost, ReplyError) as error:
                if not self.away:
                    log.warning("Redis is away", reason=str(error))
                self.away = f"Redis does not answer: {error}"
                self._details_at = -math.inf
            self._tried.set()
            metrics.TASKS.set(len(asyncio.all_tasks()))
            await asyncio.sleep(REFRESH_S)

    async def read(self) -> None:
        """Reads how things stand now."""
        commands: list[Any] = [
            ("XLEN", keys.requests(self._model, lane)) for lane in LANES
        ]
        now = time.monotonic()
        # While there is nobody to work, the next beat is what everybody waits for.
        in_full = now - self._details_at >= DETAILS_S or not self.state.workers
        if in_full:
            commands += [
                ("TIME",),
                ("ZRANGE", keys.workers(), 0, -1, "WITHSCORES"),
                ("GET", keys.trouble()),
                ("INFO", "memory"),
            ]
        replies = await self._link.calls(commands)
        if in_full:
            (seconds, micros), scored, trouble = replies[-4:-1]
            self.state.workers = await self._workers(
                int(seconds) + int(micros) / 1e6, scored
            )
            self.state.names = frozenset(name.decode() for name in scored[::2])
            self.state.trouble = (trouble or b"").decode()
            self.state.memory = memory_share(replies[-1])
            self._details_at = now
        self.state.backlog = dict(zip(LANES, replies[: len(LANES)], strict=True))
        self.read_at = time.monotonic()
        if self.away not in {"", UNREAD}:
            self._returned_at = self.read_at
        self.away = ""
        for lane, count in self.state.backlog.items():
            metrics.BACKLOG.labels(lane).set(count)
        metrics.WORKERS.set(len(self.state.workers))

    async def _workers(
        self, now: float, scored: Sequence[bytes]
    ) -> tuple[wire.Worker, ...]:
        names = [
            name.decode()
            for name, beat in zip(scored[::2], scored[1::2], strict=True)
            if now - float(beat) < wire.ALIVE_S
        ]
        if not names:
            return ()
        details = await self._link.call("MGET", *(keys.worker(name) for name in names))
        workers = []
        for name, data in zip(names, details, strict=True):
            try:
                worker = wire.read_worker(data) if data is not None else None
            except wire.WireError as error:
                log.warning(
                    "a worker that cannot be read", worker=name, reason=str(error)
                )
                continue
            if worker is not None and worker.model == self._model:
                workers.append(worker)
        return tuple(workers)
