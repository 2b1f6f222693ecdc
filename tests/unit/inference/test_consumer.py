"""The consumer group, with a real Redis: nothing is skipped, stolen or left behind."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest

from common import keys, wire
from common.connections import Keeper
from common.keys import GROUP, Lane
from common.link import Command, ReplyError
from inference import consumer as consumer_module
from inference import reclaim
from inference.batcher import Plan, Queued
from inference.consumer import Consumer
from inference.entries import Entry, equal_together, read_entry
from inference.reclaim import Claimed, claim

INTERACTIVE, BULK = keys.requests("m", "interactive"), keys.requests("m", "bulk")
Consumers = Callable[[str], Consumer]


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


@pytest.fixture
async def blocking(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    blocking = Keeper(flushed_redis_url)
    yield blocking
    await blocking.close()


@pytest.fixture
def consumers(
    link: Keeper, blocking: Keeper, monkeypatch: pytest.MonkeyPatch
) -> Consumers:
    """Makes members of the group, which need not wait long for anything."""
    monkeypatch.setattr(consumer_module, "BLOCK_MS", 20)
    monkeypatch.setattr(consumer_module, "BEAT_S", 0.002)  # half of it is 1 ms
    monkeypatch.setattr(consumer_module, "RECLAIM_MS", 5)
    monkeypatch.setattr(reclaim, "RECLAIM_MS", 5)
    return lambda name: Consumer(blocking, link, "m", name)


@pytest.fixture
async def consumer(consumers: Consumers) -> Consumer:
    consumer = consumers("w")
    await consumer.ensure_group()
    return consumer


async def add(link: Keeper, number: int = 0, lane: Lane = "interactive") -> bytes:
    """A request on its stream; the id of its entry."""
    image = b"image %d" % number
    digest = hashlib.sha256(image).digest()
    header = wire.encode(wire.Request(1, f"0-{number:032x}", digest, 10_000))
    stream = keys.requests("m", lane)
    entry_id: bytes = await link.call("XADD", stream, "*", "h", header, "img", image)
    return entry_id


async def take(consumer: Consumer, plan: Plan) -> list[Entry]:
    """What is there, as far as it was planned."""
    entries: list[Entry] = []
    await consumer.take(plan, entries)
    return entries


async def pending(link: Keeper, stream: str = INTERACTIVE) -> int:
    count: int = (await link.call("XPENDING", stream, GROUP))[0]
    return count


async def mine(link: Keeper, stream: str) -> int:
    """How much is pending for the worker of these tests."""
    return len(await link.call("XPENDING", stream, GROUP, "-", "+", 10, "w"))


async def claimed(link: Keeper, consumer: Consumer) -> Claimed:
    """The next entry that can be taken over; it must first have been idle for 5 ms."""
    async with asyncio.timeout(5):
        while True:
            if (found := await claim(link, consumer)) is not None:
                return found
            await asyncio.sleep(0.001)


async def test_what_was_taken_is_ours_though_another_lane_refuses(
    link: Keeper, consumer: Consumer
) -> None:
    """It is in the caller's hands before the refusal is raised."""
    entry_id = await add(link)
    await link.call("DEL", BULK)
    entries: list[Entry] = []
    with pytest.raises(ReplyError) as caught:
        await consumer.take(Plan(1, 1), entries)
    assert caught.value.kind == "NOGROUP"
    assert [entry.id for entry in entries] == [entry_id]
    assert consumer.holds(entries[0])


async def test_what_was_added_before_the_group_is_read(
    link: Keeper, consumers: Consumers
) -> None:
    """The group starts at the beginning, on a stream that may not be there yet."""
    entry_id = await add(link)
    consumer = consumers("w")
    await consumer.ensure_group()
    (entry,) = await consumer.first()
    assert (entry.id, entry.image, entry.stream) == (entry_id, b"image 0", INTERACTIVE)
    assert entry.request.id == "0-" + "0" * 32


async def test_making_the_group_again_forgets_nothing(
    link: Keeper, consumer: Consumer
) -> None:
    await add(link)
    await consumer.first()
    await consumer.ensure_group()
    assert await consumer.first() == []
    assert await pending(link) == 1


async def test_after_a_flush_the_group_is_made_anew(
    link: Keeper, consumer: Consumer
) -> None:
    await link.call("FLUSHALL")
    await add(link)
    with pytest.raises(ReplyError) as caught:
        await consumer.first()
    assert caught.value.kind == "NOGROUP"
    await consumer.ensure_group()
    assert len(await consumer.first()) == 1


async def test_without_work_a_read_comes_back(consumer: Consumer) -> None:
    assert await consumer.first() == []
    assert await take(consumer, Plan(5, 5)) == []
    assert await take(consumer, Plan(0, 0)) == []


async def test_a_read_takes_what_was_planned(link: Keeper, consumer: Consumer) -> None:
    interactive = [await add(link, n) for n in range(5)]
    bulk = [await add(link, 10 + n, "bulk") for n in range(3)]
    entries = await take(consumer, Plan(4, 2))
    assert [entry.id for entry in entries] == [*interactive[:4], *bulk[:2]]
    assert {entry.stream for entry in entries} == {INTERACTIVE, BULK}
    queued, now_ms = await consumer.take(Plan(0, 0), [], workers=3)
    assert queued == Queued(interactive=1, bulk=1, workers=3)
    assert entries[0].arrived_ms <= now_ms < entries[0].arrived_ms + 10_000
    assert not entries[0].expired(now_ms)


async def test_a_stop_or_new_work_ends_the_wait(
    link: Keeper, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "BLOCK_MS", 60_000)
    waiting = asyncio.create_task(consumer.first())
    await add(link, lane="bulk")
    async with asyncio.timeout(5):
        (entry,) = await waiting
    assert entry.stream == BULK


async def test_what_is_read_is_ours_until_it_is_released(
    link: Keeper, consumer: Consumer
) -> None:
    await add(link)
    (entry,) = await consumer.first()
    assert consumer.holds(entry)
    assert await pending(link) == 1
    consumer.release([entry])
    assert not consumer.holds(entry)
    assert await pending(link) == 1  # only a result takes it off


async def idle_ms(link: Keeper, entry_id: bytes) -> tuple[int, int]:
    """How long nobody was heard of it, and how often it was delivered."""
    command = ("XPENDING", INTERACTIVE, GROUP, entry_id, entry_id, 1)
    _, _, idle, deliveries = (await link.call(*command))[0]
    return idle, deliveries


async def until_idle(link: Keeper, entry_id: bytes, ms: int) -> None:
    async with asyncio.timeout(5):
        while (await idle_ms(link, entry_id))[0] < ms:
            await asyncio.sleep(0.005)


async def test_a_beat_says_that_an_entry_is_worked_on(
    link: Keeper, consumer: Consumer
) -> None:
    """It counts as no delivery; an entry that has been let go of is not spoken for."""
    await add(link, 1)
    await add(link, 2)
    ours, other = await take(consumer, Plan(2, 0))
    consumer.release([other])
    await until_idle(link, ours.id, 50)
    await consumer.beat()
    idle, deliveries = await idle_ms(link, ours.id)
    assert idle < 50
    assert deliveries == 1
    assert (await idle_ms(link, other.id))[0] >= 50


async def test_a_beat_finds_its_own_among_any_number_that_were_lost(
    link: Keeper, consumer: Consumer
) -> None:
    """Replies that were lost with their connections leave entries pending that nobody holds."""
    for number in range(100):
        await add(link, number)
    read = ("XREADGROUP", "GROUP", GROUP, "w", "COUNT", 100, "STREAMS", INTERACTIVE)
    await link.call(*read, ">")
    await add(link, 100)
    (entry,) = await take(consumer, Plan(1, 0))
    await consumer.beat()
    assert consumer.holds(entry)


async def test_a_beat_notices_what_dead_workers_left(
    link: Keeper, consumers: Consumers, consumer: Consumer
) -> None:
    await add(link)
    await consumers("dead").first()
    async with asyncio.timeout(5):
        while not consumer.orphans:
            await consumer.beat()


async def test_who_has_all_in_hand_sees_no_orphans(
    link: Keeper, consumer: Consumer
) -> None:
    entry_id = await add(link)
    await consumer.first()
    await until_idle(link, entry_id, 10)
    await consumer.beat()
    assert not consumer.orphans


async def test_the_entry_of_a_dead_worker_is_taken_over(
    link: Keeper, consumers: Consumers, consumer: Consumer
) -> None:
    entry_id = await add(link)
    await consumers("dead").first()
    found = await claimed(link, consumer)
    assert found.entry.id == entry_id
    assert found.entry.image == b"image 0"
    assert (found.deliveries, found.hopeless) == (1, False)
    assert consumer.holds(found.entry)


async def test_entries_are_taken_over_one_at_a_time(
    link: Keeper, consumers: Consumers, consumer: Consumer
) -> None:
    for number in range(3):
        await add(link, number, "bulk" if number else "interactive")
    await take(consumers("dead"), Plan(1, 2))
    consumer.orphans = True
    taken = []
    for _ in range(3):
        found = await claimed(link, consumer)
        taken.append(found.entry.request.id)
        ours = sum([await mine(link, stream) for stream in (INTERACTIVE, BULK)])
        assert ours == 1
        await link.call("XACK", found.entry.stream, GROUP, found.entry.id)
    assert sorted(taken) == [f"0-{number:032x}" for number in range(3)]
    assert await claim(link, consumer) is None
    assert not consumer.orphans


async def test_an_entry_is_given_up_after_three_deaths_alone(
    link: Keeper, consumers: Consumers
) -> None:
    """The first delivery may have been in company and blames nobody."""
    await add(link)
    await consumers("first").ensure_group()
    await consumers("first").first()
    found = [await claimed(link, consumers(f"w{n}")) for n in range(4)]
    assert [one.deliveries for one in found] == [1, 2, 3, 4]
    assert [one.hopeless for one in found] == [False, False, False, True]


async def test_a_claim_that_was_lost_with_its_connection_counts_no_death(
    link: Keeper, consumers: Consumers, consumer: Consumer
) -> None:
    """Redis has made the entry ours, we have not heard of it: nobody died meanwhile."""
    await add(link)
    await consumers("dead").first()
    assert [(await claimed(link, consumer)).deliveries for _ in range(4)] == [1] * 4


async def test_an_entry_that_was_withdrawn_is_not_taken_over(
    link: Keeper, consumers: Consumers, consumer: Consumer
) -> None:
    entry_id = await add(link)
    await consumers("dead").first()
    await link.call("XDEL", INTERACTIVE, entry_id)
    assert await pending(link) == 1
    async with asyncio.timeout(5):
        while await pending(link):
            assert await claim(link, consumer) is None


async def test_a_worker_that_was_stopped_for_long_takes_nothing_back(
    link: Keeper, consumers: Consumers, consumer: Consumer
) -> None:
    """Its entry is another's meanwhile; at its next beat it knows."""
    await add(link)
    (entry,) = await consumer.first()
    other = consumers("other")
    found = await claimed(link, other)
    await consumer.beat()
    assert not consumer.holds(entry)
    await other.beat()
    assert other.holds(found.entry)


async def test_a_beat_does_not_take_back_what_was_claimed_in_its_midst(
    link: Keeper, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its look at who owns an entry, and its claim."""
    monkeypatch.setattr(consumer_module, "BEAT_S", 20)
    await add(link)
    (entry,) = await take(consumer, Plan(1, 0))
    calls = link.calls

    async def claimed_after(commands: Iterable[Command]) -> list[Any]:
        replies = await calls(commands)
        monkeypatch.setattr(link, "calls", calls)
        await link.call("XCLAIM", INTERACTIVE, GROUP, "other", 0, entry.id)
        return replies

    monkeypatch.setattr(link, "calls", claimed_after)
    await consumer.beat()
    (row,) = await link.call("XPENDING", INTERACTIVE, GROUP, "-", "+", 10)
    assert row[1] == b"other"


async def test_an_entry_that_is_no_request_is_buried(
    link: Keeper, consumer: Consumer
) -> None:
    """And those around it are read."""
    good = [await add(link, 1)]
    await link.call("XADD", INTERACTIVE, "*", "h", b"\xc1", "img", b"x")
    await link.call("XADD", INTERACTIVE, "*", "other", "fields")
    good.append(await add(link, 2))
    entries = await take(consumer, Plan(4, 0))
    assert [entry.id for entry in entries] == good
    await consumer.beat()
    assert await link.call("XLEN", INTERACTIVE) == 2
    assert await pending(link) == 2
    assert await link.call("XLEN", keys.dead()) == 2


async def test_what_a_dead_worker_could_not_read_either_is_buried(
    link: Keeper, consumers: Consumers, consumer: Consumer
) -> None:
    entry_id = await link.call("XADD", INTERACTIVE, "*", "h", b"\xc1", "img", b"x")
    group = ("GROUP", GROUP, "dead", "STREAMS", INTERACTIVE, ">")
    await link.call("XREADGROUP", *group)
    await until_idle(link, entry_id, 10)
    assert await claim(link, consumer) is None
    assert await link.call("XLEN", keys.dead()) == 1
    assert await link.call("XLEN", INTERACTIVE) == 0


async def test_without_room_to_bury_one_its_neighbour_is_read_all_the_same(
    link: Keeper, consumer: Consumer
) -> None:
    good = await add(link)
    await link.call("XADD", INTERACTIVE, "*", "other", "fields")
    await link.call("CONFIG", "SET", "maxmemory", "1")
    try:
        entries = await take(consumer, Plan(2, 0))
    finally:
        await link.call("CONFIG", "SET", "maxmemory", "0")
    assert [entry.id for entry in entries] == [good]
    await consumer.beat()
    assert await link.call("XLEN", keys.dead()) == 1


async def test_a_beat_that_cannot_bury_keeps_what_is_in_hand(
    link: Keeper, consumer: Consumer
) -> None:
    """Else others would take it, and count a death, for as long as Redis has no memory left."""
    await add(link)
    await link.call("XADD", INTERACTIVE, "*", "other", "fields")
    (entry,) = await take(consumer, Plan(2, 0))
    await asyncio.sleep(0.02)
    await link.call("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(ReplyError, match="OOM"):
            await consumer.beat()
    finally:
        await link.call("CONFIG", "SET", "maxmemory", "0")
    (row,) = await link.call("XPENDING", INTERACTIVE, GROUP, entry.id, entry.id, 1)
    assert row[2] < 15  # ms idle


async def test_one_is_buried_by_the_beat_while_another_is_taken_over(
    link: Keeper, consumer: Consumer
) -> None:
    for _ in range(3):
        await link.call("XADD", INTERACTIVE, "*", "other", "fields")
    assert await take(consumer, Plan(2, 0)) == []
    await asyncio.gather(consumer.bury(), consumer.bury(), take(consumer, Plan(1, 0)))
    await consumer.bury()
    assert await link.call("XLEN", keys.dead()) == 3
    assert await link.call("XLEN", INTERACTIVE) == 0


async def members(link: Keeper) -> set[bytes]:
    rows = await link.call("XINFO", "CONSUMERS", INTERACTIVE, GROUP)
    return {row[row.index(b"name") + 1] for row in rows}


@pytest.mark.parametrize("busy", [False, True])
async def test_who_leaves_takes_nothing_pending_along(
    link: Keeper, consumer: Consumer, busy: bool
) -> None:
    """Redis forgets what is pending for a consumer that is deleted."""
    entry_id = await add(link)
    await consumer.first()
    if not busy:
        await link.call("XACK", INTERACTIVE, GROUP, entry_id)
    assert await members(link) == {b"w"}
    await consumer.leave()
    assert await members(link) == ({b"w"} if busy else set())
    assert await pending(link) == busy


async def test_only_dead_consumers_with_nothing_pending_are_tidied_away(
    link: Keeper, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dead", "busy", "alive"):
        await link.call("XGROUP", "CREATECONSUMER", INTERACTIVE, GROUP, name)
    await link.call("ZADD", keys.workers(), 1, "alive")
    await add(link)
    taken = ("XREADGROUP", "GROUP", GROUP, "busy", "STREAMS", INTERACTIVE, ">")
    assert await link.call(*taken)
    await consumer.tidy()
    assert await members(link) >= {b"dead", b"busy", b"alive"}, "not yet for an hour"
    monkeypatch.setattr("inference.consumer.FORGOTTEN_MS", 0)
    await consumer.tidy()
    assert await members(link) == {b"busy", b"alive"}
    assert await pending(link) == 1


@pytest.mark.parametrize(
    "fields", [[], [b"h", b"\xc1", b"img", b"x"], [b"img", b"x"], [b"h", b"x"]]
)
def test_fields_that_are_no_request_are_a_wire_error(fields: list[bytes]) -> None:
    with pytest.raises(wire.WireError):
        read_entry("stream", b"1-0", fields)


def test_equal_images_are_run_once_in_order_of_appearance() -> None:
    def entry(number: int, image: bytes, thumbnail_px: int = 0) -> Entry:
        request = wire.Request(1, f"0-{number}", image, 1000, 5, thumbnail_px)
        return Entry("stream", b"1-%d" % number, request, image)

    a, b, c, d = entry(1, b"x"), entry(2, b"y"), entry(3, b"x"), entry(4, b"x", 320)
    assert equal_together([a, b, c, d]) == [[a, c], [b], [d]]
