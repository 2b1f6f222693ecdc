"""Answers never cross callers, whatever the order in which workers end what they have.

The real submitter and replies on a real server; the worker is the test's own, and does what Hypothesis
draws: it ends entries in any order, tells twice, tells too late, tells rubbish, or does not tell at all.
Callers ask for equal and other pictures at the same time, and some of them leave.
"""

import asyncio
import itertools
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common import keys, wire
from common.connections import Keeper
from common.errors import BrokenImage, DeadlinePassed
from common.keys import GROUP, LANES, Lane
from gateway import channels as channels_module
from gateway import replies as replies_module
from gateway.channels import SPARE
from gateway.flights import Job
from gateway.replies import SENTINEL, Replies
from gateway.submit import Submitter

MODEL: Final = "paired"
STREAMS: Final = {lane: keys.requests(MODEL, lane) for lane in LANES}
DEADLINE_S: Final = 10.0
BROKEN, EXPIRED = 4, 5  # pictures that end otherwise; 0 to 3 are classified
HABITS: Final = (
    *("plain", "silent", "twice", "contradicted", "forestalled", "rubbish", "foreign"),
)


@dataclass(frozen=True)
class Caller:
    """Who asks for what, when, and whether they wait for it.

    Attributes:
        starts: turns of the event loop before they ask.
        leaves: turns after which they leave; None: they stay.
    """

    picture: int
    top_k: int
    lane: Lane
    starts: int
    leaves: int | None

    @property
    def job(self) -> Job:
        image = b"\xff\xd8\xff picture %d" % self.picture
        return Job(image, self.lane, self.top_k, 0, DEADLINE_S)


turns = st.integers(0, 40)
CALLERS = st.lists(
    st.builds(
        Caller,
        picture=st.integers(0, EXPIRED),
        top_k=st.integers(1, 2),
        lane=st.sampled_from(LANES),
        starts=turns,
        leaves=st.none() | st.none() | turns,
    ),
    min_size=1,
    max_size=16,
)


@dataclass(frozen=True)
class Entry:
    """A stream entry in the worker's hand."""

    stream: str
    id: bytes
    request: wire.Request
    picture: int

    @property
    def channel(self) -> str:
        return keys.result(self.request.id)

    def end(self) -> wire.Ended:
        """How it ends, which follows from picture, options and lane alone."""
        request = self.request
        if self.picture == BROKEN:
            return wire.Failure(1, request.id, "", "broken-image")
        if self.picture == EXPIRED:
            return wire.Expired(1, request.id, "")
        label = label_of(self.picture, request.top_k, self.stream)
        best = (wire.Prediction("n1", label, label, 0.5),)
        return wire.Success(1, request.id, "", MODEL, "d", best)


def label_of(picture: int, top_k: int, stream: str) -> str:
    return f"{picture} {top_k} {stream}"


class Worker:
    """Reads all there is and ends one of what it has, drawn by lot, until it is told to stop."""

    def __init__(self, link: Keeper, habits: Sequence[str], seed: int) -> None:
        self._link = link
        self._habits = itertools.cycle(habits)
        self._lot = Random(seed)
        self._held: list[Entry] = []
        self._ended: list[Entry] = []

    async def run(self) -> None:
        while True:
            await self._read()
            if self._held and self._lot.random() < 0.8:
                await self._end(self._held.pop(self._lot.randrange(len(self._held))))
            await asyncio.sleep(0)

    async def _read(self) -> None:
        """As many as there are, or only some."""
        for stream in STREAMS.values():
            reply = await self._link.call(
                *("XREADGROUP", "GROUP", GROUP, "w"),
                *("COUNT", self._lot.randint(1, 5), "STREAMS", stream, ">"),
            )
            for entry_id, fields in reply[0][1] if reply else ():
                request, image = wire.read_request(fields[1]), fields[3]
                self._held.append(Entry(stream, entry_id, request, int(image[-1:])))

    async def _end(self, entry: Entry) -> None:
        """As `inference.publisher` does, and what a bad day adds to that."""
        habit = next(self._habits)
        truth = wire.encode(entry.end())
        dead = wire.encode(wire.Failure(1, entry.request.id, "", "dead-letter"))
        if habit == "forestalled":  # another has given up on it, in vain
            await self._tell(entry, dead)
        if habit == "rubbish":
            await self._tell(entry, self._lot.randbytes(self._lot.randrange(30)))
        if habit == "foreign":
            for other in [*self._held, *self._ended]:
                await self._tell(entry, wire.encode(other.end()))
        await self._write(entry, truth, tell=habit != "silent")
        if habit == "twice":
            await self._write(entry, truth, tell=True)
        if habit == "contradicted":  # by a slower worker, whose SET comes to nothing
            await self._write(entry, dead, tell=True)
        self._ended.append(entry)
        late = self._lot.choice(self._ended)
        await self._tell(late, wire.encode(late.end()))

    async def _tell(self, entry: Entry, payload: bytes) -> None:
        await self._link.call("PUBLISH", entry.channel, payload)

    async def _write(self, entry: Entry, payload: bytes, *, tell: bool) -> None:
        told = (("PUBLISH", entry.channel, payload),) if tell else ()
        await self._link.calls(
            (
                ("MULTI",),
                ("SET", entry.channel, payload, "NX", "PX", 30_000),
                *told,
                ("XACK", entry.stream, GROUP, entry.id),
                ("XDEL", entry.stream, entry.id),
                ("EXEC",),
            )
        )


@dataclass(frozen=True)
class Gateway:
    """A gateway's parts, and a connection of the test's."""

    submitter: Submitter
    replies: Replies
    link: Keeper


@asynccontextmanager
async def gateway(url: str, *, share: bool) -> AsyncIterator[Gateway]:
    keepers = [Keeper(url) for _ in range(3)]
    link, hot, reader = keepers
    await link.call("FLUSHDB")
    for stream in STREAMS.values():
        await link.call("XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM")
    replies = Replies(url, reader)
    submitter = Submitter(hot, replies, MODEL, share=share, result_ttl_s=40)
    replies.start()
    await replies.first()
    try:
        yield Gateway(submitter, replies, link)
    finally:
        await submitter.finish(0)
        await replies.stop()
        for keeper in keepers:
            await keeper.close()
        await asyncio.sleep(0)  # for their transports to close


@asynccontextmanager
async def at_work(
    url: str, habits: Sequence[str], seed: int
) -> AsyncIterator["asyncio.Task[None]"]:
    """A worker that works for as long as this lasts."""
    link = Keeper(url)
    working = asyncio.create_task(Worker(link, habits, seed).run())
    try:
        yield working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await link.close()
        await asyncio.sleep(0)  # for its transport to close


async def ask(here: Gateway, caller: Caller) -> Any:
    for _ in range(caller.starts):
        await asyncio.sleep(0)
    return await here.submitter.submit(caller.job)


async def leave(asking: "asyncio.Task[Any]", caller: Caller) -> None:
    if caller.leaves is not None:
        for _ in range(caller.starts + caller.leaves):
            await asyncio.sleep(0)
        asking.cancel()


@pytest.mark.parametrize("share", [True, False], ids=["shared", "each alone"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    callers=CALLERS,
    habits=st.lists(st.sampled_from(HABITS), min_size=1, max_size=12),
    seed=st.integers(0, 2**32),
)
async def test_answers_never_cross_callers(
    share: bool,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    callers: list[Caller],
    habits: list[str],
    seed: int,
) -> None:
    """Each has the answer to its own picture and options, or left; and nothing stays behind."""
    monkeypatch.setattr(replies_module, "SWEEP_S", 0.05)
    monkeypatch.setattr(channels_module, "UNSUBSCRIBE_AT", 1)
    async with (
        gateway(redis_url, share=share) as here,
        at_work(redis_url, habits, seed) as working,
        asyncio.timeout(DEADLINE_S),
    ):
        asking = [asyncio.create_task(ask(here, caller)) for caller in callers]
        leaving = asyncio.gather(*map(leave, asking, callers))
        while left := {task for task in asking if not task.done()}:
            await asyncio.wait({working, *left}, return_when=FIRST_COMPLETED)
            assert not working.done(), working.result()
        await leaving
        await asyncio.gather(*asking, return_exceptions=True)  # all are retrieved
        for caller, task in zip(callers, asking, strict=True):
            check(caller, task)
        await nothing_left(here, working)


def check(caller: Caller, asking: "asyncio.Task[Any]") -> None:
    if asking.cancelled():
        assert caller.leaves is not None
    elif caller.picture == BROKEN:
        assert isinstance(asking.exception(), BrokenImage)
    elif caller.picture == EXPIRED:
        assert isinstance(asking.exception(), DeadlinePassed)
    else:
        label = label_of(caller.picture, caller.top_k, STREAMS[caller.lane])
        assert asking.result().success.predictions[0].label == label


async def nothing_left(here: Gateway, working: "asyncio.Task[None]") -> None:
    """Returns once there is no waiter, entry or pending entry, and no channel but spare ones."""
    while True:
        assert not working.done(), working.result()
        channels = await here.link.call("PUBSUB", "CHANNELS", "pictor:*")
        lengths = [await here.link.call("XLEN", one) for one in STREAMS.values()]
        pending = [
            (await here.link.call("XPENDING", one, GROUP))[0]
            for one in STREAMS.values()
        ]
        if (
            not here.replies.waiting
            and SENTINEL in channels
            and len(channels) <= 1 + SPARE
            and not any(lengths)
            and not any(pending)
        ):
            return
        await asyncio.sleep(0.005)
