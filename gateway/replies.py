"""Wakes those who wait: one subscriber connection a process, and the result key as the truth.

A waiter is registered, its channel subscribed (`gateway.channels`), and only then is the request added
(`gateway.submit`). What is published is a wake-up: a success is taken from the message, anything else
is read from the key. Whatever a message may have missed is found by reading the keys: after a
reconnect at once, in quiet times once a second, and at the deadline.
"""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from common import logs, process, wire
from common.connections import RECONNECT_S, Keeper
from common.errors import BrokerAway
from common.link import Link, LinkLost, ReplyError
from gateway import metrics
from gateway import waiters as truth
from gateway.channels import Channels
from gateway.subscription import Subscription
from gateway.waiters import Waiter

SENTINEL: Final = (
    b"pictor:gateway"  # a channel nobody publishes on; the first to be confirmed
)
CONFIRM_S: Final = 2.0
PING_S: Final = 1.0
PONG_S: Final = 3.0  # a connection silent for this long after a PING is half-open
SWEEP_S: Final = 1.0

log = logs.get(__name__)


class Replies:
    """The waiters of this process and the connection that wakes them."""

    def __init__(self, url: str, reader: Keeper) -> None:
        self._url = url
        self._reader = reader
        self._link: Subscription | None = None
        self._channels = Channels()
        self._waiters = self._channels.waiters
        self._heard_at = 0.0
        self._tried = asyncio.Event()
        self._alive: asyncio.Future[None] | None = None
        self._reads: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts to listen."""
        self._tasks = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._sweep()),
        ]
        for task in self._tasks:
            process.essential(task)

    async def first(self) -> None:
        """Returns once it listens, or has failed to for the first time."""
        await self._tried.wait()

    async def stop(self) -> None:
        """Stops listening."""
        for task in [*self._tasks, *self._reads]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._reads, return_exceptions=True)
        if self._link is not None:
            self._link.close()

    @property
    def waiting(self) -> int:
        """How many requests are waited for."""
        return len(self._waiters)

    @property
    def connected(self) -> bool:
        """Whether messages can arrive."""
        return self._link is not None and not self._link.lost.done()

    def open(self, partition: int) -> Waiter:
        """Registers a waiter under a fresh id in a partition; see `subscribed`."""
        waiter = self._channels.take(partition)
        metrics.WAITING.set(len(self._waiters))
        return waiter

    async def subscribed(self, waiter: Waiter) -> None:
        """Returns once its channel is.

        Raises:
            BrokerAway: it was not confirmed within CONFIRM_S.
        """
        if not waiter.confirmed.done():
            try:
                async with asyncio.timeout(CONFIRM_S):
                    await waiter.confirmed
            except TimeoutError:
                raise BrokerAway(retry_after_s=1) from None

    def close(self, waiter: Waiter) -> None:
        """Nobody waits any more."""
        if self._channels.close(waiter):
            metrics.WAITING.set(len(self._waiters))

    def _heard(self, push: list[Any]) -> None:
        self._heard_at = time.monotonic()
        kind, channel = push[0], push[1]
        if kind == b"message":
            if (waiter := self._waiters.get(channel)) is not None:
                self._message(waiter, push[2])
        elif kind == b"subscribe":
            if (
                channel == SENTINEL
                and self._alive is not None
                and not self._alive.done()
            ):
                self._alive.set_result(None)
            self._channels.confirmed(channel)

    def _message(self, waiter: Waiter, data: bytes) -> None:
        try:
            ended = wire.read_ended(data)
        except wire.WireError as error:
            log.error("a message that cannot be read", id=waiter.id, reason=str(error))
            ended = None
        if isinstance(ended, wire.Success) and ended.id == waiter.id:
            waiter.end(ended)
            return
        self._background(self._read_again([waiter]))

    def _background(self, reading: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(reading)
        self._reads.add(task)  # the loop keeps only weak references
        task.add_done_callback(self._reads.discard)
        return task

    async def _recover(self) -> None:
        """After a connection was lost: what was missed, and what Redis itself has lost.

        Redis may still be reading its file: until it has answered for all, it is asked again.
        """
        while True:
            waiters = list(self._waiters.values())
            try:
                await self.read(waiters)
                await truth.find_lost(self._reader, waiters)
                return
            except (LinkLost, ReplyError) as error:
                log.warning("what was missed is not known yet", reason=str(error))
            await asyncio.sleep(RECONNECT_S)

    async def _read_again(self, waiters: Sequence[Waiter]) -> None:
        try:
            await self.read(waiters)
        except (LinkLost, ReplyError) as error:
            log.warning("results cannot be read; the sweep will", reason=str(error))

    async def read(self, waiters: Sequence[Waiter]) -> None:
        """Reads the truth for these waiters; raises as `gateway.waiters.read` does."""
        await truth.read(self._reader, waiters)

    async def _listen(self) -> None:
        """Keeps the subscription open for ever."""
        while True:
            try:
                await self._connect()
                recovering = self._background(self._recover())
                try:
                    await self._watch()
                finally:
                    recovering.cancel()
            except (LinkLost, ReplyError, TimeoutError) as error:
                log.warning("the subscription was lost", reason=str(error))
            self._tried.set()
            if self._link is not None:
                self._link.close()
            self._link = None
            await asyncio.sleep(RECONNECT_S)

    async def _connect(self) -> None:
        link = await Link.open(
            self._url, name="gateway-sub", make=lambda: Subscription(self._heard)
        )
        assert isinstance(link, Subscription)
        self._channels.connected(link)
        self._alive = asyncio.get_running_loop().create_future()
        self._link = link
        link.write("SUBSCRIBE", SENTINEL, *self._waiters)
        async with asyncio.timeout(CONFIRM_S):
            await self._alive
        self._channels.stock()
        self._tried.set()

    async def _watch(self) -> None:
        """Returns when the connection is lost or silent; a missing PONG is all that tells."""
        link = self._link
        assert link is not None
        self._heard_at = time.monotonic()
        while not link.lost.done() and time.monotonic() - self._heard_at < PONG_S:
            link.write("PING")
            await asyncio.wait({link.lost}, timeout=PING_S)

    async def _sweep(self) -> None:
        """In quiet times: once a second, the keys of those who have waited longer than that."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self._channels.unsubscribe()
            since = time.monotonic() - SWEEP_S
            late = [
                w
                for w in self._waiters.values()
                if w.since < since and not w.ended.done()
            ]
            if late:
                await self._read_again(late)
