"""The sampler and those who watch: bounded, in order, ended when their process leaves."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from common import wire
from common.connections import Keeper
from common.errors import NoStream
from gateway import live
from gateway.admission import Admission
from gateway.live import BEHIND, KEPT, MOST_WATCHERS, Sampler, Watcher, after
from gateway.live_counts import Counted
from gateway.traffic import Traffic

SOON_S = 10
WORKER = wire.Worker(
    *(1, "w", "m", "d", "litert", 2.0, 10.0, 80.0, "working", 5),
    *(((1, 5),), 10.0, 10.0, 50.0, 1, ((1, 12.0), (4, 42.0))),
)


class Side:
    """A sampler whose counts and workers the test says; nobody asks Redis."""

    def __init__(self) -> None:
        self.admission = Admission(
            Keeper("unix:///nowhere"), "m", {"interactive": 9, "bulk": 9}
        )
        self.admission.state.workers = (WORKER,)
        self.traffic = Traffic(most_bytes=1, most_requests=1)
        self.counted = Counted()
        self.failing = False
        self.sampler = Sampler(self.admission, self.traffic, self._read)

    def _read(self) -> Counted:
        if self.failing:
            raise OSError("the disk has gone")
        return self.counted

    def take(self, *seconds: int) -> None:
        for at in seconds:
            self.sampler.take(at, at * 1000)


@pytest.fixture
def side() -> Side:
    return Side()


def read(event: bytes) -> tuple[int, str, Any]:
    """Id, name and data of the last event in some bytes."""
    fields = dict(
        line.split(": ", 1) for line in event.decode().splitlines() if ": " in line
    )
    return int(fields["id"]), fields["event"], json.loads(fields["data"])


async def next_of(events: AsyncIterator[bytes]) -> bytes:
    async with asyncio.timeout(SOON_S):
        return await anext(events)


async def test_first_comes_what_is_kept_and_then_what_is_new(side: Side) -> None:
    side.take(1, 2, 3)
    events = side.sampler.events()
    first = await next_of(events)
    assert first.startswith(b"retry: 2000\n\n")
    at, kind, history = read(first)
    assert (at, kind) == (3000, "history")
    assert [sample["at"] for sample in history] == [1000, 2000, 3000]
    side.take(4)
    at, kind, sample = read(await next_of(events))
    assert (at, kind, sample["at"]) == (4000, "sample", 4000)
    assert sample["workers"][0]["points"] == [[1, 12.0], [4, 42.0]]
    await events.aclose()


async def test_of_past_samples_only_the_newest_has_points(side: Side) -> None:
    side.take(1, 2)
    _, _, history = read(await next_of(side.sampler.events()))
    assert [one["workers"][0]["points"] for one in history] == [[], [[1, 12], [4, 42]]]
    assert {one["workers"][0]["name"] for one in history} == {"w"}


@pytest.mark.parametrize(
    ("last", "times"), [(0, [1000, 2000]), (1000, [2000]), (2000, []), (9999, [])]
)
async def test_who_comes_back_is_told_what_is_newer(
    side: Side, last: int, times: list[int]
) -> None:
    side.take(1, 2)
    at, kind, history = read(await next_of(side.sampler.events(last)))
    assert (at, kind, [one["at"] for one in history]) == (2000, "history", times)


@pytest.mark.parametrize(
    ("given", "at"), [("17", 17), (None, None), ("", None), ("x", None), ("1.5", None)]
)
def test_what_a_client_heard_last(given: str | None, at: int | None) -> None:
    assert after(given) == at


async def test_five_minutes_are_kept(side: Side) -> None:
    side.take(*range(1, KEPT + 11))
    _, _, history = read(await next_of(side.sampler.events()))
    assert (len(history), history[0]["at"]) == (KEPT, 11_000)


async def test_who_is_slow_misses_the_oldest() -> None:
    watcher = Watcher()
    for number in range(BEHIND + 5):
        watcher.tell(b"%d" % number)
    heard = [await watcher.next() for _ in range(BEHIND)]
    assert heard == [b"%d" % number for number in range(5, BEHIND + 5)]


async def test_a_comment_keeps_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.01)
    watcher = Watcher()
    heard = await watcher.next()
    assert heard is not None
    assert heard.startswith(b":")
    assert heard.endswith(b"\n\n")
    watcher.tell(b"new")
    assert await watcher.next() == b"new"


async def test_watchers_are_bounded_and_leave_nothing(side: Side) -> None:
    watching = [side.sampler.events() for _ in range(MOST_WATCHERS)]
    for events in watching:
        side.sampler.check()
        await next_of(events)
    assert side.sampler.watchers == MOST_WATCHERS
    with pytest.raises(NoStream) as refused:
        side.sampler.check()
    assert refused.value.retry_after_s
    assert [one async for one in side.sampler.events()] == []
    for events in watching:
        await events.aclose()
    assert side.sampler.watchers == 0
    side.sampler.check()


async def test_a_watcher_that_is_cancelled_is_gone(side: Side) -> None:
    events = side.sampler.events()
    await next_of(events)

    async def watch() -> None:
        async for _ in events:
            pass

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert side.sampler.watchers == 0


async def test_streams_end_when_the_process_leaves(side: Side) -> None:
    side.admission.away = "not asked"
    side.admission._tried.set()
    side.sampler.start()
    events = side.sampler.events()
    await next_of(events)
    side.traffic.leaving.set()
    async with asyncio.timeout(SOON_S):
        assert all(b"sample" in one for one in [one async for one in events])
    assert side.sampler.watchers == 0
    with pytest.raises(NoStream):
        side.sampler.check()
    await side.sampler.stop()


async def test_samples_go_on_while_redis_is_away(side: Side) -> None:
    side.take(1)
    side.admission.away = "Redis does not answer: gone"
    side.take(2)
    latest = side.sampler.latest
    assert latest.away == "Redis does not answer: gone"
    assert [worker.name for worker in latest.workers] == ["w"]


async def test_counts_that_cannot_be_read_are_those_of_before(side: Side) -> None:
    side.counted = replace(Counted(), asked=5.0)
    await side.sampler._sample()
    side.failing = True
    await side.sampler._sample()
    assert side.sampler.latest.asked == 0
    side.failing = False
    side.counted = replace(Counted(), asked=7.0)
    await side.sampler._sample()
    assert side.sampler.latest.asked > 0
