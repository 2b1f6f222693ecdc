"""How requests end in Redis: once, for certain, and for all to hear."""

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
import redis.asyncio

from common import connections, keys, wire
from common.connections import Keeper
from common.keys import GROUP
from inference.batcher import Plan
from inference.consumer import Consumer
from inference.entries import Entry
from inference.publisher import Ending, Publisher
from tests.support.server import Server

STREAM = keys.requests("m", "interactive")
DIGEST = hashlib.sha256(b"image").digest()


class Side:
    """A worker's side of Redis, from the group to the results."""

    def __init__(self, url: str, cache_ttl_s: float = 60) -> None:
        self.link, self._blocking = Keeper(url), Keeper(url)
        self.consumer = Consumer(self._blocking, self.link, "m", "w")
        self.room = True
        self.publisher = Publisher(
            *(self.link, self.consumer, "d1"),
            result_ttl_s=30,
            cache_ttl_s=cache_ttl_s,
            has_room=lambda: self.room,
        )

    async def entries(self, count: int = 1) -> list[Entry]:
        """Requests that were added and read."""
        await self.consumer.ensure_group()
        for number in range(count):
            header = wire.encode(wire.Request(1, f"0-{number:032x}", DIGEST, 10_000))
            await self.link.call("XADD", STREAM, "*", "h", header, "img", b"image")
        entries: list[Entry] = []
        await self.consumer.take(Plan(count, 0), entries)
        return entries

    async def result(self, entry: Entry) -> wire.Ended | None:
        data = await self.link.call("GET", keys.result(entry.request.id))
        return None if data is None else wire.read_ended(data)

    async def left(self) -> tuple[int, int]:
        """Entries on the stream, and those pending."""
        pending = await self.link.call("XPENDING", STREAM, GROUP)
        return await self.link.call("XLEN", STREAM), pending[0]

    async def close(self) -> None:
        await self.link.close()
        await self._blocking.close()


@pytest.fixture
async def side(flushed_redis_url: str) -> AsyncIterator[Side]:
    side = Side(flushed_redis_url)
    yield side
    await side.close()


@pytest.fixture
def own_server() -> Iterator[Server]:
    with Server() as server:
        yield server
        server.process.send_signal(signal.SIGCONT)


@pytest.fixture
async def own_side(own_server: Server) -> AsyncIterator[Side]:
    """On a server that the test may stop or fill."""
    side = Side(own_server.url)
    yield side
    await side.close()


def success(entry: Entry, label: str = "dog") -> wire.Success:
    predictions = (wire.Prediction("n1", label, label, 0.5),)
    return wire.Success(1, entry.request.id, "", "m", "d1", predictions)


async def test_a_result_is_written_told_and_its_entry_gone(
    side: Side, flushed_redis_url: str
) -> None:
    (entry,) = await side.entries()
    name = keys.result(entry.request.id)
    client = redis.asyncio.Redis.from_url(flushed_redis_url)
    async with client, client.pubsub() as channel:
        await channel.subscribe(name)
        assert await channel.get_message(timeout=5) is not None  # the confirmation
        await side.publisher.publish([Ending(entry, success(entry))])
        message = await channel.get_message(timeout=5)
    assert message is not None
    assert wire.read_ended(message["data"]) == success(entry)
    assert await side.result(entry) == success(entry)
    assert 0 < await side.link.call("PTTL", name) <= 30_000
    assert await side.left() == (0, 0)
    assert not side.consumer.holds(entry)


async def test_entries_stay_pending_until_they_have_ended(side: Side) -> None:
    first, second, third = await side.entries(3)
    await side.publisher.publish([Ending(second, success(second))])
    assert await side.left() == (2, 2)
    assert side.consumer.holds(first)
    assert side.consumer.holds(third)


async def test_every_entry_has_a_result_of_its_own(side: Side) -> None:
    entries = await side.entries(20)
    await side.publisher.publish([Ending(e, success(e, e.request.id)) for e in entries])
    for entry in entries:
        assert await side.result(entry) == success(entry, entry.request.id)
    assert await side.left() == (0, 0)


async def test_the_first_end_wins(side: Side) -> None:
    (entry,) = await side.entries()
    earlier = wire.encode(wire.Failure(1, entry.request.id, "", "undecodable"))
    await side.link.call("SET", keys.result(entry.request.id), earlier)
    await side.publisher.publish([Ending(entry, success(entry))])
    assert isinstance(await side.result(entry), wire.Failure)
    assert await side.left() == (0, 0)


async def test_an_entry_that_is_no_longer_ours_is_dropped(side: Side) -> None:
    mine, anothers = await side.entries(2)
    side.consumer.release([anothers])
    await side.publisher.publish(
        [Ending(anothers, success(anothers)), Ending(mine, success(mine))]
    )
    assert await side.result(anothers) is None
    assert await side.result(mine) is not None
    assert await side.left() == (1, 1)


KNOWN = wire.Known(1, ((3, 0.75), (1, 0.25)))


async def test_a_success_is_kept_by_content(side: Side) -> None:
    (entry,) = await side.entries()
    await side.publisher.publish([Ending(entry, success(entry), KNOWN)])
    kept = keys.cache("d1", DIGEST)
    assert wire.read_known(await side.link.call("GET", kept)) == KNOWN
    assert 50_000 < await side.link.call("PTTL", kept) <= 60_000


async def test_while_redis_is_short_of_memory_only_results_are_kept(side: Side) -> None:
    (entry,) = await side.entries()
    side.room = False
    await side.publisher.publish([Ending(entry, success(entry), KNOWN)])
    assert await side.link.call("EXISTS", keys.cache("d1", DIGEST)) == 0
    assert await side.link.call("EXISTS", keys.result(entry.request.id)) == 1


async def test_what_is_not_to_be_kept_is_not(flushed_redis_url: str) -> None:
    side = Side(flushed_redis_url, cache_ttl_s=0)
    first, second = await side.entries(2)
    await side.publisher.publish(
        [
            Ending(first, success(first), KNOWN),
            Ending(second, wire.Failure(1, second.request.id, "", "broken-image")),
        ]
    )
    assert await side.link.call("EXISTS", keys.cache("d1", DIGEST)) == 0
    await side.close()


@pytest.mark.parametrize(("code", "noted"), [("dead-letter", 1), ("broken-image", 0)])
async def test_what_was_given_up_on_is_noted(side: Side, code: str, noted: int) -> None:
    (entry,) = await side.entries()
    ended = wire.Failure(1, entry.request.id, "", code)
    await side.publisher.publish([Ending(entry, ended)])
    rows = await side.link.call("XRANGE", keys.dead(), "-", "+")
    assert len(rows) == noted
    if noted:
        assert DIGEST.hex().encode() in rows[0][1]
        assert code.encode() in rows[0][1]


async def test_an_entry_that_has_ended_is_only_acknowledged(side: Side) -> None:
    (entry,) = await side.entries()
    await side.publisher.acknowledge(entry)
    assert await side.left() == (0, 0)
    assert await side.result(entry) is None
    assert not side.consumer.holds(entry)


async def test_nothing_to_end_is_no_work() -> None:
    side = Side("unix:///nowhere")
    await side.publisher.publish([])


async def refused(side: Side) -> int:
    """How often Redis has refused a command for want of memory."""
    info = await side.link.call("INFO", "errorstats")
    lines = dict(line.split(b":") for line in info.splitlines() if b":" in line)
    return int(lines.get(b"errorstat_OOM", b"count=0").partition(b"=")[2])


async def test_without_room_a_result_is_kept_until_there_is_some(
    own_side: Side,
) -> None:
    entries = await own_side.entries(2)
    await own_side.link.call("CONFIG", "SET", "maxmemory", "1")
    publishing = asyncio.create_task(
        own_side.publisher.publish([Ending(e, success(e)) for e in entries])
    )
    async with asyncio.timeout(5):
        while await refused(own_side) < 4:
            await asyncio.sleep(0.005)
    assert not publishing.done()
    assert await own_side.left() == (2, 2)
    await own_side.link.call("CONFIG", "SET", "maxmemory", "0")
    await publishing
    assert [await own_side.result(e) for e in entries] == [success(e) for e in entries]
    assert await own_side.left() == (0, 0)


async def test_while_redis_is_away_a_result_is_kept(
    own_side: Side, own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have taken effect the first time; once is enough."""
    (entry,) = await own_side.entries()
    monkeypatch.setattr(connections, "REPLY_TIMEOUT_S", 0.1)
    own_server.process.send_signal(signal.SIGSTOP)
    publishing = asyncio.create_task(
        own_side.publisher.publish([Ending(entry, success(entry))])
    )
    _, waiting = await asyncio.wait({publishing}, timeout=0.3)
    assert waiting
    own_server.process.send_signal(signal.SIGCONT)
    async with asyncio.timeout(10):
        await publishing
    assert await own_side.result(entry) == success(entry)
    assert await own_side.left() == (0, 0)
