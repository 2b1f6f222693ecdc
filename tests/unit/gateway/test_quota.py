"""Quotas, counted in a real Redis: never more than allowed, never less than fair."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Iterator

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.connections import Keeper
from common.errors import BrokerAway, QuotaExceeded
from gateway.quota import KEPT_S, WINDOW_S, Charge, Quota, until_free
from tests.support.server import Server

START = 1_700_000_040.0  # a window's first second
assert START % WINDOW_S == 0
_callers = itertools.count()


class Clock:
    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Keeper]:
    keeper = Keeper(redis_url)
    yield keeper
    await keeper.close()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """One that may be spoilt."""
    with Server() as server:
        yield server


def somebody() -> str:
    """A caller whom no other test has counted."""
    return f"key caller-{next(_callers)}"


async def takes(quota: Quota, who: str, per_minute: int) -> Charge | None:
    try:
        return await quota.take(who, per_minute)
    except QuotaExceeded:
        return None


async def test_as_many_as_allowed_and_no_more(link: Keeper) -> None:
    who = somebody()
    quota = Quota(link, Clock(START + 3))
    for _ in range(5):
        await quota.take(who, 5)
    for _ in range(3):
        with pytest.raises(QuotaExceeded) as caught:
            await quota.take(who, 5)
        assert caught.value.retry_after_s == pytest.approx(57, abs=0.1)
    assert await takes(quota, somebody(), 5), "another caller's is its own"


async def test_all_gateways_share_it(redis_url: str) -> None:
    """Forty at once on four connections: exactly the quota gets through."""
    links = [Keeper(redis_url) for _ in range(4)]
    gateways = [Quota(link, Clock()) for link in links]
    who = somebody()
    taken = await asyncio.gather(*(takes(one, who, 17) for one in gateways * 10))
    assert sum(one is not None for one in taken) == 17
    for one in links:
        await one.close()


async def test_who_is_refused_is_not_counted(link: Keeper) -> None:
    """Whoever has hammered all the minute may go on as soon as anybody else."""
    who, clock = somebody(), Clock()
    quota = Quota(link, clock)
    for _ in range(50):
        await takes(quota, who, 10)
    clock.now = START + WINDOW_S * 1.5  # half of the ten still count
    taken = [await takes(quota, who, 10) is not None for _ in range(10)]
    assert taken == [True] * 5 + [False] * 5


async def test_what_is_given_back_is_free_again(link: Keeper) -> None:
    who = somebody()
    quota = Quota(link, Clock())
    charge = await quota.take(who, 1)
    assert await takes(quota, who, 1) is None
    await quota.give_back(charge)
    assert await takes(quota, who, 1) is not None


async def test_a_steady_caller_at_the_quota_is_never_refused(link: Keeper) -> None:
    """One a second, sixty a minute, for three minutes."""
    who, clock = somebody(), Clock(START + 0.5)
    quota = Quota(link, clock)
    for _ in range(3 * WINDOW_S):
        await quota.take(who, WINDOW_S)
        clock.now += 1


async def test_retry_after_is_true(link: Keeper) -> None:
    """Then it is free, and a moment before it was not."""
    who, clock = somebody(), Clock(START + 50)
    quota = Quota(link, clock)
    for _ in range(8):
        await quota.take(who, 8)
    for _ in range(20):
        with pytest.raises(QuotaExceeded) as caught:
            await quota.take(who, 8)
        assert caught.value.retry_after_s is not None
        free_at = clock.now + caught.value.retry_after_s
        clock.now = free_at - 0.1
        assert await takes(quota, who, 8) is None
        clock.now = free_at
        await quota.take(who, 8)


async def test_no_name_or_address_stands_in_redis_and_nothing_stays(
    link: Keeper, redis_url: str
) -> None:
    await Quota(link).take("address 203.0.113.77", 5)
    charge = await Quota(link).take("key alice", 5)
    await Quota(link).give_back(charge)
    with redis.Redis.from_url(redis_url) as client:
        names = [name.decode() for name in client.scan_iter("pictor:{0}:quota:*")]
        assert names
        assert not [one for one in names if "203.0" in one or "alice" in one]
        assert all(0 < client.ttl(name) <= KEPT_S for name in names)
        client.delete(charge.key)  # expired meanwhile
        await Quota(link).give_back(charge)
        assert 0 < client.ttl(charge.key) <= KEPT_S


async def test_without_redis_nobody_can_count(own_server: Server) -> None:
    link = Keeper(own_server.url)
    quota = Quota(link)
    charge = await quota.take("key alice", 5)
    own_server.kill()
    with pytest.raises(BrokerAway) as caught:
        await quota.take("key alice", 5)
    assert caught.value.retry_after_s == 2
    await quota.give_back(charge)  # in vain; its client is answered all the same
    await link.close()


async def test_a_redis_that_refuses_is_as_good_as_none(own_server: Server) -> None:
    """Full, with a policy that evicts nothing."""
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("maxmemory", 1)
    link = Keeper(own_server.url)
    with pytest.raises(BrokerAway):
        await Quota(link).take("key alice", 5)
    await link.close()


STEPS = st.lists(
    st.tuples(st.floats(0, 45), st.booleans()), min_size=1, max_size=60
)  # seconds that pass, and whether the request is refused later on


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(per_minute=st.integers(1, 12), steps=STEPS)
async def test_its_invariants(
    link: Keeper, per_minute: int, steps: list[tuple[float, bool]]
) -> None:
    """In no window of the clock more than the quota; and no refusal while two windows hold less."""
    who, clock = somebody(), Clock()
    quota = Quota(link, clock)
    counted: dict[int, int] = {}
    for seconds, refused_later in steps:
        clock.now += seconds
        window = int(clock.now // WINDOW_S)
        recent = counted.get(window, 0) + counted.get(window - 1, 0)
        charge = await takes(quota, who, per_minute)
        if charge is None:
            assert recent >= per_minute
        elif refused_later:
            await quota.give_back(charge)
        else:
            counted[window] = counted.get(window, 0) + 1
            assert counted[window] <= per_minute


@given(
    before=st.integers(0, 1000),
    now=st.integers(0, 1000),
    quota=st.integers(1, 1000),
    elapsed_s=st.floats(0, WINDOW_S, exclude_max=True),
)
def test_the_wait_is_as_long_as_it_must_be(
    before: int, now: int, quota: int, elapsed_s: float
) -> None:
    """Of the formula alone: free after it, and not much before; at most until the next window."""
    before, now = min(before, quota), min(now, quota)
    wait_s = until_free(before, now, quota, elapsed_s)
    assert 0 <= wait_s <= WINDOW_S + 0.01
    later = elapsed_s + wait_s
    if later < WINDOW_S:
        assert until_free(before, now, quota, later) == 0
    else:
        assert until_free(now, 0, quota, later - WINDOW_S) == 0
    if wait_s > 0.1:
        sooner = later - 0.1
        assert sooner >= WINDOW_S or until_free(before, now, quota, sooner) > 0
    assert math.isfinite(wait_s)
