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
    ahead.handed(3)
    ahead.begun(3)
    await ahead.needed(images)
    expected_s = 0.3 - READ_MS / 1000 - SPARE * 0.010 * images
    assert waited == [pytest.approx(expected_s, abs=0.05)]


async def test_a_batch_that_takes_longer_to_decode_is_read_at_once(
    cost: Cost, waited: list[float]
) -> None:
    ahead = Ahead(cost)
    ahead.handed(1)
    ahead.begun(1)
    await ahead.needed(8)
    assert waited == []


async def test_an_engine_that_ends_sooner_is_not_kept_waiting(cost: Cost) -> None:
    ahead = Ahead(cost)
    ahead.handed(100)
    ahead.begun(100)  # ten seconds, it is thought
    started = time.perf_counter()
    waiting = asyncio.create_task(ahead.needed(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    ahead.ended()
    await waiting
    assert time.perf_counter() - started < 5


async def test_what_is_handed_over_counts_before_the_engine_has_it(
    cost: Cost, waited: list[float]
) -> None:
    """Its task may not have had its turn yet."""
    ahead = Ahead(cost)
    ahead.handed(3)
    await ahead.needed(1)
    assert waited == [pytest.approx(0.3 - READ_MS / 1000 - SPARE * 0.010, abs=0.05)]


async def test_without_cores_to_decode_on_it_is_read_just_before_the_engine_is_free(
    cost: Cost, waited: list[float]
) -> None:
    ahead = Ahead(cost, beside=False)
    ahead.handed(3)
    await ahead.needed(8)
    assert waited == [pytest.approx(0.3 - READ_MS / 1000, abs=0.05)]


@pytest.mark.parametrize("beside", [True, False])
async def test_without_cores_to_decode_on_all_that_is_under_way_ends_first(
    cost: Cost, beside: bool
) -> None:
    ahead = Ahead(cost, beside=beside)
    for images in (1, 2):
        ahead.handed(images)
    waiting = asyncio.create_task(ahead.decodable())
    for ends in (1, 2):
        await asyncio.sleep(0)
        assert waiting.done() == beside, ends
        ahead.ended()
    await waiting
