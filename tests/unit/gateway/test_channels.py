"""Channels are subscribed ahead, several at a time, and none is taken for subscribed that is not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from common.connections import Keeper
from gateway.channels import SPARE, UNSUBSCRIBE_AT
from gateway.replies import SENTINEL, Replies
from gateway.waiters import Waiter
from tests.support.server import Server
from tests.unit.gateway.test_submit import until


@pytest.fixture
async def asking(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    keeper = Keeper(flushed_redis_url)
    yield keeper
    await keeper.close()


@pytest.fixture
async def replies(flushed_redis_url: str, asking: Keeper) -> AsyncIterator[Replies]:
    replies = Replies(flushed_redis_url, asking)
    replies.start()
    await replies.first()
    yield replies
    await replies.stop()


async def channels(asking: Keeper) -> set[bytes]:
    """What is subscribed, but for the sentinel."""
    return set(await asking.call("PUBSUB", "CHANNELS", "pictor:*")) - {SENTINEL}


async def stocked(replies: Replies) -> None:
    """Returns once all spare channels are confirmed."""

    async def full() -> bool:
        return len(replies._channels._spare[0]) == SPARE

    await until(full)


async def test_who_comes_finds_a_channel_subscribed(
    replies: Replies, asking: Keeper
) -> None:
    """So nobody waits for Redis before it is told of the request."""
    await stocked(replies)
    for _ in range(SPARE // 2):
        waiter = replies.open(0)
        assert waiter.confirmed.done()
        assert waiter.channel in await channels(asking)
    await stocked(replies)  # the half that was used is there again
    assert len(await channels(asking)) == SPARE + SPARE // 2


async def test_more_at_once_than_are_spare_wait_for_theirs(
    replies: Replies, asking: Keeper
) -> None:
    await stocked(replies)
    waiters = [replies.open(0) for _ in range(3 * SPARE)]
    assert len({waiter.id for waiter in waiters}) == 3 * SPARE
    await asyncio.gather(*(replies.subscribed(one) for one in waiters))
    assert {waiter.channel for waiter in waiters} <= await channels(asking)


async def test_channels_are_given_up_when_nobody_waits(
    replies: Replies, asking: Keeper
) -> None:
    """Several at a time; the rest with the next sweep."""
    waiters = [replies.open(0) for _ in range(UNSUBSCRIBE_AT)]
    await asyncio.gather(*(replies.subscribed(one) for one in waiters))
    for waiter in waiters:
        replies.close(waiter)
    await stocked(replies)

    async def only_spare() -> bool:
        return len(await channels(asking)) == SPARE

    await until(only_spare)


async def test_what_is_spare_goes_with_its_connection(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel of a connection that is gone is subscribed nowhere."""
    asking = Keeper(own_server.url)
    replies = Replies(own_server.url, asking)
    replies.start()
    await replies.first()
    await stocked(replies)
    before = replies._channels._spare[0][0]
    own_server.kill()
    link: Any = replies._link
    await link.lost
    waiter: Waiter = replies.open(0)
    assert waiter is not before
    assert not waiter.confirmed.done()
    own_server.start()
    await replies.subscribed(waiter)
    await stocked(replies)
    assert waiter.channel in await channels(asking)
    assert before.channel not in await channels(asking)
    await replies.stop()
    await asking.close()


@pytest.fixture
def own_server() -> "Any":
    with Server() as server:
        yield server
