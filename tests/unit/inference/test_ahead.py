"""The next batch is read when it will just be decoded in time, never later than the engine is free."""

import asyncio
import time

import pytest

from inference import ahead as ahead_module
from inference.ahead import READ_MS, SPARE, Ahead
from inference.batcher import Cost


@pytest.fixture
def cost() -> Cost:
    """An image takes 100 ms of the engine, 10 ms of the decoder."""
    cost = Cost(decode_ms=10)
    for images in (1, 2, 4):
        cost.measured(images, 100 * images)
    return cost


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how long it would wait, in seconds; nobody does."""
    asked: list[float] = []
    timeout = asyncio.timeout

    def at_once(seconds: float) -> asyncio.Timeout:
        asked.append(seconds)
        return timeout(0)

    monkeypatch.setattr(ahead_module.asyncio, "timeout", at_once)
    return asked


async def test_a_free_engine_is_not_kept_waiting(
    cost: Cost, waited: list[float]
) -> None:
    await Ahead(cost).needed(1)
    assert waited == []


@pytest.mark.parametrize("images", [1, 4])
async def test_it_waits_until_decoding_takes_as_long_as_the_engine_still_does(
    cost: Cost, waited: list[float], images: int
) -> None:
    ahead = Ahead(cost)
    ahead.begun(3)
    await ahead.needed(images)
    expected_s = 0.3 - READ_MS / 1000 - SPARE * 0.010 * images
    assert waited == [pytest.approx(expected_s, abs=0.05)]


async def test_a_batch_that_takes_longer_to_decode_is_read_at_once(
    cost: Cost, waited: list[float]
) -> None:
    ahead = Ahead(cost)
    ahead.begun(1)
    await ahead.needed(8)
    assert waited == []


async def test_an_engine_that_ends_sooner_is_not_kept_waiting(cost: Cost) -> None:
    ahead = Ahead(cost)
    ahead.begun(100)  # ten seconds, it is thought
    started = time.perf_counter()
    waiting = asyncio.create_task(ahead.needed(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    ahead.ended()
    await waiting
    assert time.perf_counter() - started < 5
