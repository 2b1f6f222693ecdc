"""The live figures: sampled once a second, kept for five minutes, told to all who watch.

Each process samples for itself, and all of them count the same: what gateways counted comes from the
files they share, what workers did from Redis, by way of `gateway.admission`.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec

from common import logs, process
from common.errors import NoStream
from gateway import live_counts, metrics
from gateway.admission import Admission
from gateway.live_counts import Counted
from gateway.live_figures import Figures, Reading
from gateway.live_sample import Sample
from gateway.traffic import Traffic

EVERY_S: Final = 1.0
KEPT: Final = 300  # samples
MOST_WATCHERS: Final = 64  # a process
BEHIND: Final = (
    3  # samples that a slow watcher may be behind; then it misses the oldest
)
HEARTBEAT_S: Final = 10.0
RETRY_MS: Final = 2000
RETRY_AFTER_S: Final = 5.0
_NOTHING: Final = b": nothing new\n\n"

log = logs.get(__name__)
_encoded: Final = msgspec.json.Encoder().encode


class Watcher:
    """One who watches: what it has not been told yet."""

    def __init__(self) -> None:
        self._events: deque[bytes] = deque(maxlen=BEHIND)
        self._woken = asyncio.Event()
        self._ended = False

    def tell(self, event: bytes) -> None:
        """Something new; what it is too far behind for is dropped."""
        self._events.append(event)
        self._woken.set()

    def end(self) -> None:
        """It is told nothing more."""
        self._ended = True
        self._woken.set()

    async def next(self) -> bytes | None:
        """What comes next, a comment after HEARTBEAT_S without anything; None at the end."""
        if not self._events and not self._ended:
            self._woken.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._woken.wait()
            except TimeoutError:
                return _NOTHING
        if self._ended:
            return None
        return self._events.popleft()


class Sampler:
    """Takes samples for as long as its process serves: that costs less than a millisecond a second."""

    def __init__(
        self,
        admission: Admission,
        traffic: Traffic,
        read: Callable[[], Counted] = live_counts.read,
    ) -> None:
        self._admission = admission
        self._traffic = traffic
        self._read = read
        self._counted = Counted()
        self._unread = ""  # why the counts could not be read, the last time
        self._figures = Figures()
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._watchers: set[Watcher] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.latest = Sample(0)

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def start(self) -> None:
        """Starts to sample."""
        sampling = asyncio.create_task(self._keep_sampling())
        process.essential(sampling)
        self._tasks = [sampling, asyncio.create_task(self._leave())]

    async def stop(self) -> None:
        """Ends that, and all streams."""
        self._end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raises NoStream where nobody more may watch."""
        if not self._has_room():
            raise NoStream(retry_after_s=RETRY_AFTER_S)

    async def events(self, after_ms: int | None = None) -> AsyncGenerator[bytes, None]:
        """Server-sent events: what is kept, or what of it is newer, and then each new sample.

        It ends when this process leaves, and at once where nobody more may watch.
        """
        if not self._has_room():  # the last place was taken since `check`
            return
        watcher = Watcher()
        self._watchers.add(watcher)
        self._count()
        try:
            yield b"retry: %d\n\n" % RETRY_MS + self._history(after_ms)
            while (event := await watcher.next()) is not None:
                yield event
        finally:
            self._watchers.discard(watcher)
            self._count()

    def _has_room(self) -> bool:
        leaving = self._traffic.leaving.is_set()
        return not leaving and len(self._watchers) < MOST_WATCHERS

    def _history(self, after_ms: int | None) -> bytes:
        """What is kept, as one event; of workers' points, which are the bulk of it, the newest alone."""
        newer = [one for at, one in self._kept if after_ms is None or at > after_ms]
        if newer:
            newer[-1] = _encoded(self.latest)
        return _event(b"history", self.latest.at, b"[%b]" % b",".join(newer))

    async def _keep_sampling(self) -> None:
        await self._admission.first()
        due = time.monotonic()
        while True:
            await self._sample()
            due = max(due + EVERY_S, time.monotonic() + EVERY_S / 2)
            await asyncio.sleep(due - time.monotonic())

    async def _sample(self) -> None:
        try:
            self._counted = await asyncio.to_thread(self._read)
            self._unread = ""
        except OSError as error:
            if not self._unread:
                log.warning("what gateways count cannot be read", reason=str(error))
            self._unread = str(error)
        self.take(time.monotonic(), int(time.time() * 1000))

    def take(self, now: float, at_ms: int) -> None:
        """Takes a sample of how things stand, and tells all who watch."""
        state = self._admission.state
        reading = Reading(
            now,
            self._counted,
            state.workers,
            state.names,
            state.backlog,
            self._admission.away,
        )
        self.latest = sample = self._figures.take(reading, at_ms)
        brief = [
            msgspec.structs.replace(worker, points=()) for worker in sample.workers
        ]
        kept = msgspec.structs.replace(sample, workers=tuple(brief))
        self._kept.append((at_ms, _encoded(kept)))
        if self._watchers:
            event = _event(b"sample", at_ms, _encoded(sample))
            for watcher in self._watchers:
                watcher.tell(event)

    async def _leave(self) -> None:
        await self._traffic.leaving.wait()
        self._end()

    def _end(self) -> None:
        for watcher in self._watchers:
            watcher.end()

    def _count(self) -> None:
        metrics.WATCHERS.set(len(self._watchers))


def _event(kind: bytes, at_ms: int, data: bytes) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (at_ms, kind, data)


def after(last_event_id: str | None) -> int | None:
    """The time that a ``Last-Event-ID`` stands for; None where it is none of ours."""
    with contextlib.suppress(ValueError, TypeError):
        return int(last_event_id or "")
    return None
