"""Wakes those who wait: one subscriber connection a process, and the result key as the truth.

A waiter is registered, its subscription confirmed, and only then is the request added
(`gateway.submit`). What is published is a wake-up: a success is taken from the message, anything else
is read from the key. Whatever a message may have missed is found by reading the keys: after a
reconnect at once, in quiet times once a second, and at the deadline.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from common import keys, logs, wire
from common.connections import RECONNECT_S, Keeper
from common.errors import BrokerAway, RequestLost
from common.link import Command, Link, LinkLost, ReplyError

SENTINEL: Final = (
    b"pictor:gateway"  # a channel nobody publishes on; the first to be confirmed
)
CONFIRM_S: Final = 2.0
PING_S: Final = 1.0
PONG_S: Final = 3.0  # a connection silent for this long after a PING is half-open
SWEEP_S: Final = 1.0
SWEEP_CHUNK: Final = 256  # keys an MGET
UNSUBSCRIBE_AT: Final = 16  # channels a command

log = logs.get(__name__)


class Left(Exception):
    """The last of those who waited has left."""


class Waiter:
    """One request that somebody waits for.

    Attributes:
        id: the request's.
        ended: how it ended; raises RequestLost or Left.
        entry_id: its stream entry, once XADD has answered.
        stream: where that is.
    """

    __slots__ = ("channel", "confirmed", "ended", "entry_id", "id", "since", "stream")

    def __init__(self, request_id: str) -> None:
        loop = asyncio.get_running_loop()
        self.id = request_id
        self.channel = keys.result(request_id).encode()
        self.confirmed: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[wire.Ended] = loop.create_future()
        self.entry_id: bytes | None = None
        self.stream = ""
        self.since = time.monotonic()

    def end(self, ended: wire.Ended) -> None:
        """Hands over how it ended; the first time counts."""
        if not self.ended.done():
            self.ended.set_result(ended)

    def lose(self) -> None:
        """Redis has neither the entry nor a result."""
        self._fail(RequestLost())

    def leave(self) -> None:
        """Nobody waits any more."""
        self._fail(Left())

    def _fail(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)
            self.ended.exception()  # it may be that nobody awaits it


class Subscription(Link):
    """A link in subscriber mode: what arrives is pushed, not answered."""

    def __init__(self, pushed: Callable[[list[Any]], None]) -> None:
        super().__init__()
        self._pushed = pushed

    def deliver(self, reply: Any) -> None:
        if (
            isinstance(reply, list)
            and reply
            and reply[0]
            in (
                b"message",
                b"subscribe",
                b"unsubscribe",
                b"pong",
            )
        ):
            self._pushed(reply)
        else:
            super().deliver(reply)


class Replies:
    """The waiters of this process and the connection that wakes them."""

    def __init__(self, url: str, reader: Keeper) -> None:
        self._url = url
        self._reader = reader
        self._link: Subscription | None = None
        self._waiters: dict[bytes, Waiter] = {}
        self._to_subscribe: list[bytes] = []
        self._to_unsubscribe: list[bytes] = []
        self._heard_at = 0.0
        self._alive: asyncio.Future[None] | None = None
        self._reads: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts to listen."""
        self._tasks = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._sweep()),
        ]

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

    async def open(self, request_id: str) -> Waiter:
        """Registers a waiter and waits until its channel is subscribed.

        Raises:
            BrokerAway: it was not confirmed within CONFIRM_S.
        """
        waiter = Waiter(request_id)
        self._waiters[waiter.channel] = waiter
        self._subscribe(waiter.channel)
        try:
            async with asyncio.timeout(CONFIRM_S):
                await waiter.confirmed
        except TimeoutError:
            self.close(waiter)
            raise BrokerAway(retry_after_s=1) from None
        return waiter

    def close(self, waiter: Waiter) -> None:
        """Nobody waits any more. Channels are given up several at a time."""
        if self._waiters.pop(waiter.channel, None) is None:
            return
        self._to_unsubscribe.append(waiter.channel)
        if len(self._to_unsubscribe) >= UNSUBSCRIBE_AT and self._link is not None:
            self._link.write("UNSUBSCRIBE", *self._to_unsubscribe)
            self._to_unsubscribe.clear()

    def _subscribe(self, channel: bytes) -> None:
        """Subscribes with the next write; all of one turn of the event loop share a command."""
        if not self._to_subscribe:
            asyncio.get_running_loop().call_soon(self._flush)
        self._to_subscribe.append(channel)

    def _flush(self) -> None:
        channels, self._to_subscribe = self._to_subscribe, []
        if self._link is not None:  # without a link, connecting subscribes them all
            self._link.write("SUBSCRIBE", *channels)

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
            waiter = self._waiters.get(channel)
            if waiter is not None and not waiter.confirmed.done():
                waiter.confirmed.set_result(None)

    def _message(self, waiter: Waiter, data: bytes) -> None:
        try:
            ended = wire.read_ended(data)
        except wire.WireError as error:
            log.error("a message that cannot be read", id=waiter.id, reason=str(error))
            ended = None
        if isinstance(ended, wire.Success):
            waiter.end(ended)
            return
        task = asyncio.create_task(self._read_again([waiter]))
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)

    async def _read_again(self, waiters: Sequence[Waiter]) -> None:
        try:
            await self.read(waiters)
        except (LinkLost, ReplyError) as error:
            log.warning("results cannot be read; the sweep will", reason=str(error))

    async def read(self, waiters: Sequence[Waiter]) -> None:
        """Reads the truth for these waiters, and tells those whose request Redis has lost.

        Raises:
            LinkLost, ReplyError: Redis did not answer.
        """
        for chunk in _chunks(waiters, SWEEP_CHUNK):
            streams = sorted({waiter.stream for waiter in chunk if waiter.stream})
            commands: list[Command] = [
                ("MULTI",),
                ("MGET", *(waiter.channel for waiter in chunk)),
                *(("XLEN", stream) for stream in streams),
                ("EXEC",),
            ]
            known = {waiter.id for waiter in chunk if waiter.entry_id is not None}
            found, *lengths = (await self._reader.calls(commands))[-1]
            empty = {
                s for s, length in zip(streams, lengths, strict=True) if not length
            }
            for waiter, data in zip(chunk, found, strict=True):
                if data is not None:
                    waiter.end(wire.read_ended(data))
                elif waiter.id in known and waiter.stream in empty:
                    waiter.lose()

    async def _find_lost(self) -> None:
        """After a reconnect: which entries did a crash of Redis take? One at a time; they are large."""
        for waiter in [
            w for w in self._waiters.values() if w.entry_id and not w.ended.done()
        ]:
            entry_id = waiter.entry_id or b""
            reply = await self._reader.calls(
                (
                    ("MULTI",),
                    ("EXISTS", waiter.channel),
                    ("XRANGE", waiter.stream, entry_id, entry_id),
                    ("EXEC",),
                )
            )
            exists, entries = reply[-1]
            if not exists and not entries:
                waiter.lose()

    async def _listen(self) -> None:
        """Keeps the subscription open for ever."""
        while True:
            try:
                await self._connect()
                await self._read_again(list(self._waiters.values()))
                await self._find_lost()
                await self._watch()
            except (LinkLost, ReplyError, TimeoutError) as error:
                log.warning("the subscription was lost", reason=str(error))
            if self._link is not None:
                self._link.close()
            self._link = None
            await asyncio.sleep(RECONNECT_S)

    async def _connect(self) -> None:
        link = await Link.open(
            self._url, name="gateway-sub", make=lambda: Subscription(self._heard)
        )
        assert isinstance(link, Subscription)
        self._to_unsubscribe.clear()  # a new connection has no old channels
        self._alive = asyncio.get_running_loop().create_future()
        self._link = link
        link.write("SUBSCRIBE", SENTINEL, *self._waiters)
        async with asyncio.timeout(CONFIRM_S):
            await self._alive

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
            since = time.monotonic() - SWEEP_S
            late = [
                w
                for w in self._waiters.values()
                if w.since < since and not w.ended.done()
            ]
            if late:
                await self._read_again(late)


def _chunks(waiters: Sequence[Waiter], size: int) -> Iterator[Sequence[Waiter]]:
    for start in range(0, len(waiters), size):
        yield waiters[start : start + size]
