"""Those who wait for a result, and the truth about it: what Redis holds, whatever was published."""

import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from common import keys, logs, wire
from common.connections import Keeper
from common.errors import RequestLost
from common.link import Command, ReplyError

CHUNK: Final = 256  # keys an MGET
NONE_LEFT: Final = (sys.maxsize, 0)  # an empty stream: all that were in it are gone
NONE_KNOWN: Final = (0, 0)  # to be gone

log = logs.get(__name__)


class Left(Exception):
    """The last of those who waited has left."""


class Waiter:
    """One request that somebody waits for.

    Attributes:
        id: the request's.
        channel: where its end is published; the result key's name.
        confirmed: the channel is subscribed.
        ended: how it ended; raises RequestLost or Left.
        entry_id: its stream entry, once XADD has answered.
        stream: where that is.
        since: monotonic time.
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

    @property
    def order(self) -> tuple[int, int]:
        """Where its entry stands among those of its stream, once that was added."""
        return order(self.entry_id or b"0-0")

    def confirm(self) -> None:
        """Redis has confirmed the subscription."""
        if not self.confirmed.done():
            self.confirmed.set_result(None)

    def end(self, ended: wire.Ended) -> None:
        """Hands over how it ended; the first time counts."""
        if not self.ended.done():
            self.ended.set_result(ended)

    def take(self, data: bytes) -> None:
        """Hands over what stands in the result key; what cannot be read counts as lost."""
        try:
            self.end(wire.read_ended(data))
        except wire.WireError as error:
            log.error("a result that cannot be read", id=self.id, reason=str(error))
            self.lose()

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


async def read(link: Keeper, waiters: Sequence[Waiter]) -> None:
    """Reads the result keys of these waiters, and tells those whose entry is surely gone.

    Entries are delivered in the order of their ids: one older than the oldest that is pending, without
    a result, was lost with its stream (a flush), and is not waited for. No entry is read for that, since
    each holds a picture. Results are read last: what ended after the look at its stream has one.

    Raises:
        LinkLost, ReplyError: Redis did not answer.
    """
    for start in range(0, len(waiters), CHUNK):
        chunk = waiters[start : start + CHUNK]
        # Before the command is sent: what is added later may not be in the reply.
        added = {waiter.id for waiter in chunk if waiter.entry_id is not None}
        streams = sorted({waiter.stream for waiter in chunk if waiter.stream})
        commands: list[Command] = []
        for stream in streams:
            commands += [("XLEN", stream), ("XPENDING", stream, keys.GROUP)]
        commands.append(("MGET", *(waiter.channel for waiter in chunk)))
        *looks, found = await link.replies(commands)
        if isinstance(found, ReplyError):
            raise found
        oldest = {
            name: _oldest(length, pending)
            for name, length, pending in zip(
                streams, looks[::2], looks[1::2], strict=True
            )
        }
        for waiter, data in zip(chunk, found, strict=True):
            if data is not None:
                waiter.take(data)
            elif waiter.id in added and waiter.order < oldest[waiter.stream]:
                waiter.lose()


def _oldest(length: Any, pending: Any) -> tuple[int, int]:
    """What is older than this has left its stream; from the replies to XLEN and XPENDING."""
    if isinstance(length, ReplyError):
        raise length
    if length == 0:
        return NONE_LEFT
    if isinstance(pending, ReplyError):
        if pending.kind != "NOGROUP":  # a worker is about to make it
            raise pending
        return NONE_KNOWN
    return order(pending[1]) if pending[1] else NONE_KNOWN


def order(entry_id: bytes) -> tuple[int, int]:
    """An entry's id, ``<ms>-<n>``, as what it sorts by."""
    ms, _, number = entry_id.partition(b"-")
    return int(ms), int(number)


async def find_lost(link: Keeper, waiters: Iterable[Waiter]) -> None:
    """Tells those whose entry and result are both absent: a crash of Redis took them.

    One at a time, since the answer holds the entry; raises as `read` does.
    """
    for waiter in waiters:
        if waiter.entry_id is None or waiter.ended.done():
            continue
        replies = await link.calls(
            (
                ("MULTI",),
                ("EXISTS", waiter.channel),
                ("XRANGE", waiter.stream, waiter.entry_id, waiter.entry_id),
                ("EXEC",),
            )
        )
        ended, entries = replies[-1]
        if not ended and not entries:
            waiter.lose()
