"""Several decoders as one: order, one array, and one's death is nobody else's."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.decoders import MOST, Decoders, automatic, spread
from tests.support.corpus.bombs import scans
from tests.support.decoders import MOST as MOST_PIXELS
from tests.support.decoders import RECIPE, alive, picture


@pytest.fixture
async def decoders() -> AsyncIterator[Decoders]:
    decoders = Decoders.of(3, RECIPE, 9, MOST_PIXELS, 1_000_000)
    await decoders.start()
    yield decoders
    await decoders.close()


async def test_a_batch_comes_back_in_order_as_one(decoders: Decoders) -> None:
    assert len(set(decoders.pids)) == len(decoders) == 3
    for size in (9, 7, 4, 3, 2, 1):
        batch = [(picture(10 * n), 4 if n == 3 else 0) for n in range(size)]
        batch[size // 2] = b"no image", 0
        results, pixels = await decoders.decode(batch)
        good = [n for n in range(size) if n != size // 2]
        assert pixels.shape == (len(good), 8, 8, 3)
        assert [image.mean() for image in pixels] == [10 * n for n in good]
        assert [n for n in range(size) if not results[n].code] == good
        assert [n for n in range(size) if results[n].thumbnail] == [
            n for n in good if n == 3
        ]


async def test_an_empty_batch_is_one(decoders: Decoders) -> None:
    results, pixels = await decoders.decode([])
    assert (results, pixels.shape) == ([], (0, 8, 8, 3))


async def test_each_has_its_share(decoders: Decoders) -> None:
    """They work at the same time, in processes of their own."""
    slow = scans(512, 400)
    await decoders.decode([(slow, 0)] * 6)
    for pid in decoders.pids:
        assert psutil.Process(pid).cpu_times().user > 0.02


async def test_one_that_an_image_ends_costs_that_image_alone(
    decoders: Decoders,
) -> None:
    slow = scans(512, 1500)
    before = list(decoders.pids)
    victim = before[1]
    assert victim is not None
    batch = [picture(10), picture(20), slow, picture(40), picture(50), picture(60)]
    decoding = asyncio.create_task(decoders.decode([(one, 0) for one in batch]))
    process = psutil.Process(victim)
    async with asyncio.timeout(5):
        while process.cpu_times().user < 0.05:
            await asyncio.sleep(0.005)
    os.kill(victim, signal.SIGSEGV)
    results, pixels = await decoding
    assert [result.code for result in results] == [*("", "", "undecodable"), "", "", ""]
    assert [image.mean() for image in pixels] == [10, 20, 40, 50, 60]
    assert decoders.deaths == 1
    assert [old == new for old, new in zip(before, decoders.pids, strict=True)] == [
        *(True, False, True)
    ]


async def test_closing_ends_them_all() -> None:
    decoders = Decoders.of(2, RECIPE, 2, MOST_PIXELS, 1000)
    await decoders.start()
    pids = [pid for pid in decoders.pids if pid is not None]
    assert len(pids) == 2
    await decoders.close()
    assert not any(map(alive, pids))


@given(st.integers(0, 600), st.integers(1, 64))
def test_shares_are_even_and_cover_all(images: int, decoders: int) -> None:
    shares = spread(images, decoders)
    batch = list(range(images))
    assert [one for share in shares for one in batch[share]] == batch
    sizes = [len(batch[share]) for share in shares]
    assert len(sizes) <= decoders
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= -(-images // decoders)
    assert min(sizes) >= 1 or images == 0


@pytest.mark.parametrize(
    ("cores", "workers", "gpu", "expected"),
    [
        *((64, 1, False, 1), (64, 64, False, 1)),
        *((64, 1, True, MOST), (4, 1, True, 3), (1, 1, True, 1), (16, 4, True, 3)),
    ],
)
def test_a_gpu_is_fed_by_several(
    cores: int, workers: int, gpu: bool, expected: int
) -> None:
    assert automatic(cores, workers, gpu=gpu) == expected
