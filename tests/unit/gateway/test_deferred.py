"""Requests answered 202 at once, on a real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from common import keys, wire
from common.connections import Keeper
from common.errors import BrokerAway, BrokerFull
from gateway.deferred import Deferrer
from gateway.flights import Job
from tests.support.server import Server

JOB = Job(b"\xff\xd8\xff picture", "bulk", 3, 0, deadline_s=60, owner="me")
STREAM = keys.requests("m", "bulk")


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


@pytest.fixture
def deferrer(link: Keeper) -> Deferrer:
    return Deferrer(link, "m", result_ttl_s=60)


async def test_the_id_lives_as_long_as_its_entry(
    link: Keeper, deferrer: Deferrer
) -> None:
    request_id = await deferrer.accept(JOB, ahead=7)
    ((_, fields),) = await link.call("XRANGE", STREAM, "-", "+")
    request = wire.read_request(fields[1])
    assert (request.id, request.expires_ms, request.owner) == (request_id, 60_000, "me")
    assert fields[3] == JOB.image
    known = wire.read_pending(await link.call("GET", keys.pending(request_id)))
    assert known == wire.Pending(wire.VERSION, "me", "bulk", 7)
    assert 55_000 < await link.call("PTTL", keys.pending(request_id)) <= 60_000


async def test_a_client_that_leaves_before_it_knows_the_id_takes_its_request_along(
    link: Keeper, deferrer: Deferrer
) -> None:
    await link.link()  # connected, so that the entry is written at once
    accepting = asyncio.create_task(deferrer.accept(JOB, ahead=0))
    await asyncio.sleep(0)
    accepting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await accepting
    await deferrer.finish(5)
    assert await link.call("XINFO", "STREAM", STREAM)  # it had been there
    assert await link.call("XLEN", STREAM) == 0
    assert await link.call("KEYS", "pictor:*pending*") == []


@pytest.fixture
def own_server() -> Iterator[Server]:
    with Server() as server:
        yield server


async def test_without_room_nothing_is_accepted(own_server: Server) -> None:
    link = Keeper(own_server.url)
    await link.call("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(BrokerFull):
        await Deferrer(link, "m", 60).accept(JOB, ahead=0)
    await link.call("CONFIG", "SET", "maxmemory", "0")
    assert await link.call("KEYS", "*") == []
    own_server.kill()
    with pytest.raises(BrokerAway):
        await Deferrer(link, "m", 60).accept(JOB, ahead=0)
    await link.close()


async def test_who_leaves_a_request_that_is_refused_leaves_no_error(
    own_server: Server,
) -> None:
    link = Keeper(own_server.url)
    await link.call("CONFIG", "SET", "maxmemory", "1")
    deferrer = Deferrer(link, "m", 60)
    accepting = asyncio.create_task(deferrer.accept(JOB, ahead=0))
    await asyncio.sleep(0)
    adding = set(deferrer._tasks)
    accepting.cancel()
    await asyncio.gather(accepting, return_exceptions=True)
    (taking_back,) = deferrer._tasks - adding
    await deferrer.finish(5)
    assert taking_back.exception() is None
    await link.close()


async def test_who_asks_for_a_map_waits_apart(link: Keeper, deferrer: Deferrer) -> None:
    await deferrer.accept(replace(JOB, explain=2), ahead=0)
    ((_, fields),) = await link.call("XRANGE", keys.explanations("m"), "-", "+")
    assert wire.read_request(fields[1]).explain == 2
    assert not await link.call("EXISTS", STREAM)
