"""Admission: yes while there is room, no with a reason and a time to come back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from common import keys, wire
from common.connections import Keeper
from common.errors import BrokerAway, BrokerFull, NoWorker, QueueFull
from common.keys import Lane
from gateway import admission as module
from gateway.admission import Admission, State, memory_share

BOUNDS: dict[Lane, int] = {"interactive": 100, "bulk": 1000}


def worker(images_per_s: float = 10, name: str = "w", model: str = "m") -> wire.Worker:
    return wire.Worker(1, name, model, "d", "litert", 1.0, 1.0, images_per_s)


def standing(
    interactive: int = 0, bulk: int = 0, memory: float = 0.0, rate: float = 10
) -> Admission:
    """Admission that has read this."""
    admission = Admission(Keeper("unix:///nowhere"), "m", BOUNDS)
    admission.away, admission.read_at = "", time.monotonic()
    admission.state = State(
        {"interactive": interactive, "bulk": bulk}, (worker(rate),), memory
    )
    return admission


def retry_after(admission: Admission, lane: Lane, deadline_s: float = 10) -> float:
    """When a request that does not fit may come again, in seconds."""
    with pytest.raises(QueueFull) as caught:
        admission.check(lane, deadline_s)
    assert caught.value.retry_after_s is not None
    return caught.value.retry_after_s


def test_nothing_is_let_in_before_redis_has_answered() -> None:
    admission = Admission(Keeper("unix:///nowhere"), "m", BOUNDS)
    with pytest.raises(BrokerAway):
        admission.check("interactive", 10)
    assert admission.unready()


def test_without_a_worker_nothing_is_let_in() -> None:
    admission = standing()
    admission.state.workers = ()
    with pytest.raises(NoWorker) as caught:
        admission.check("interactive", 10)
    assert caught.value.retry_after_s == 5
    assert admission.unready() == "no worker is warm"


def test_with_a_worker_and_room_it_is_let_in() -> None:
    admission = standing(interactive=50, bulk=999, rate=1000)
    admission.check("interactive", 10)
    admission.check("bulk", 10)
    assert admission.unready() == ""


@pytest.mark.parametrize(("lane", "bound"), BOUNDS.items())
def test_a_lanes_bound_is_not_exceeded(lane: Lane, bound: int) -> None:
    """Between two readings, what was let in is counted here."""
    admission = standing(rate=1e6)
    for _ in range(bound):
        admission.check(lane, 10)
    assert retry_after(admission, lane) == 1
    admission.check("bulk" if lane == "interactive" else "interactive", 10)


def test_what_would_expire_is_refused_until_it_would_fit() -> None:
    """10 images a second: the hundredth ends after 10 s, and 0.8 of the deadline are for waiting."""
    assert retry_after(standing(interactive=99, rate=10), "interactive", 5) == 6
    standing(interactive=99, rate=10).check("interactive", 12.6)


def test_the_way_back_is_never_nearer_than_a_second_nor_farther_than_a_minute() -> None:
    assert retry_after(standing(interactive=42, rate=10), "interactive", 5) == 1
    assert retry_after(standing(bulk=999, rate=0.2), "bulk", 5) == 60


def test_a_worker_that_has_measured_nothing_is_no_division_by_zero() -> None:
    assert retry_after(standing(interactive=5, rate=0), "interactive") == 52


@pytest.mark.parametrize(
    ("memory", "fits"), [(0.69, True), (0.7, False), (0.94, False)]
)
def test_room_is_kept_for_results(memory: float, fits: bool) -> None:
    admission = standing(memory=memory)
    if fits:
        admission.check("interactive", 10)
    else:
        assert retry_after(admission, "interactive") >= 1


def test_a_collection_leaves_room_for_people() -> None:
    admission = standing(memory=0.65)
    admission.check("interactive", 10)
    assert retry_after(admission, "bulk") >= 1


@pytest.mark.parametrize("memory", [0.95, 1.2])
def test_a_server_that_is_full_keeps_nothing_safe(memory: float) -> None:
    with pytest.raises(BrokerFull) as caught:
        standing(memory=memory).check("interactive", 10)
    assert caught.value.retry_after_s == 1


def test_what_was_read_too_long_ago_does_not_count() -> None:
    """Redis may hang: nobody waits for a time-out to be refused."""
    admission = standing()
    admission.read_at -= module.STALE_S + 0.1
    with pytest.raises(BrokerAway):
        admission.check("interactive", 10)


def test_a_body_that_took_long_is_looked_at_again() -> None:
    """In the bound it is counted already."""
    admission = standing(interactive=100, rate=1000)
    admission.confirm("interactive", 10)
    admission.state.backlog["interactive"] = 101
    with pytest.raises(QueueFull):
        admission.confirm("interactive", 10)
    admission.state.backlog["interactive"] = 100
    admission.state.memory = 0.7
    with pytest.raises(QueueFull):
        admission.confirm("interactive", 10)
    admission.state.memory = 0.95
    with pytest.raises(BrokerFull):
        admission.confirm("interactive", 10)
    admission.state.memory = 0.0
    admission.state.workers = (worker(5),)
    with pytest.raises(QueueFull):
        admission.confirm("interactive", 10)
    admission.state.workers = ()
    with pytest.raises(NoWorker):
        admission.confirm("interactive", 10)


@pytest.mark.parametrize(
    ("info", "share"),
    [
        (b"# Memory\r\nused_memory:50\r\nused_memory_human:50B\r\nmaxmemory:200\r\n", 0.25),
        (b"used_memory:50\r\nmaxmemory:0\r\n", 0.0),
        (b"used_memory:50\r\n", 0.0),
        (b"", 0.0),
    ],
)  # fmt: skip
def test_the_share_of_memory_is_read_from_info(info: bytes, share: float) -> None:
    assert memory_share(info) == share


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


@pytest.fixture
def admission(link: Keeper) -> Admission:
    return Admission(link, "m", BOUNDS)


async def register(link: Keeper, one: wire.Worker, age_s: float = 0) -> None:
    """A worker's beat, as `inference.presence` writes it."""
    seconds, _ = await link.call("TIME")
    await link.call("ZADD", keys.workers(), int(seconds) - age_s, one.name)
    await link.call("SET", keys.worker(one.name), wire.encode(one))


async def test_it_reads_what_redis_knows(link: Keeper, admission: Admission) -> None:
    """Live workers of our model alone; both lanes."""
    await register(link, worker(10, "one"))
    await register(link, worker(20, "two"))
    await register(link, worker(40, "stale"), age_s=60)
    await register(link, worker(80, "other's", model="other"))
    for lane, count in (("interactive", 2), ("bulk", 3)):
        for _ in range(count):
            await link.call("XADD", keys.requests("m", lane), "*", "x", "y")  # type: ignore[arg-type]
    await admission.read()
    assert {one.name for one in admission.state.workers} == {"one", "two"}
    assert admission.state.rate == 30
    assert admission.state.backlog == {"interactive": 2, "bulk": 3}
    assert admission.unready() == ""


async def test_a_worker_whose_details_are_gone_is_gone(
    link: Keeper, admission: Admission
) -> None:
    await register(link, worker())
    await link.call("DEL", keys.worker("w"))
    await admission.read()
    assert admission.unready() == "no worker is warm"


async def test_memory_is_read_where_it_is_bounded(
    link: Keeper, admission: Admission
) -> None:
    await link.call("CONFIG", "SET", "maxmemory", "1000mb")
    try:
        await admission.read()
    finally:
        await link.call("CONFIG", "SET", "maxmemory", "0")
    assert 0 < admission.state.memory < 0.5


async def test_workers_have_two_beats_to_be_seen_after_redis_was_away(
    admission: Admission, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission.away = "Redis does not answer: the connection was lost"
    await admission.read()
    admission.check("interactive", 10)
    now = time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now + module.GRACE_S + 0.1)
    await admission.read()
    with pytest.raises(NoWorker):
        admission.check("interactive", 10)


async def test_a_gateway_that_starts_without_workers_lets_nothing_in(
    admission: Admission,
) -> None:
    """Redis was there all the while, so nobody is about to be seen again."""
    await admission.read()
    with pytest.raises(NoWorker):
        admission.check("interactive", 10)


async def test_while_nobody_works_each_reading_looks_for_workers(
    link: Keeper, admission: Admission
) -> None:
    await admission.read()
    assert admission.unready()
    await register(link, worker())
    await admission.read()
    assert admission.unready() == ""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_it_keeps_reading_also_what_it_cannot_read(
    link: Keeper, admission: Admission, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of another version whose details are none of ours does not blind the gateway."""
    monkeypatch.setattr(module, "DETAILS_S", 0.0)
    await register(link, worker())
    await link.call("SET", keys.worker("w"), b"not for us")
    admission.start()
    try:
        async with asyncio.timeout(5):
            await admission.first()
        await register(link, worker(name="good"))
        await until(lambda: not admission.unready())
    finally:
        await admission.stop()
    assert [one.name for one in admission.state.workers] == ["good"]


async def test_it_says_that_redis_is_away_and_recovers(flushed_redis_url: str) -> None:
    link = Keeper(flushed_redis_url + ".gone")
    admission = Admission(link, "m", BOUNDS)
    admission.start()
    await until(lambda: admission.away.startswith("Redis does not answer:"))
    await admission.stop()
    await link.close()
