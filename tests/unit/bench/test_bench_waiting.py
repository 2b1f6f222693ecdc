"""Workers that only wait: a batch takes what it should, and each entry gets its own row."""

import asyncio
import hashlib
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from bench import waiting
from bench.waiting import WaitingDecoder, WaitingEngine, expected, payload
from common import formats, keys, wire
from common.connections import Keeper
from common.errors import StartError
from common.settings import Settings
from inference.models import catalogue
from inference.start import MOST_IMAGES

CLASSES = 1000


@pytest.mark.parametrize("size", [64, 10_000, 5_000_000])
def test_a_payload_has_its_size_counts_as_a_picture_and_differs(size: int) -> None:
    one, other = payload(size, 1), payload(size, 2)
    assert len(one) == len(other) == size
    assert formats.taken(one)
    assert one != other
    assert payload(size, 1) == one
    assert expected(one, CLASSES) != expected(other, CLASSES)


async def test_a_row_follows_from_its_image() -> None:
    images = [payload(100, number) for number in range(50)]
    decoded, pixels = await WaitingDecoder().decode([(data, 0) for data in images])
    rows = WaitingEngine(CLASSES, 0, 0).run(pixels)
    assert [result.code for result in decoded] == [""] * 50
    assert rows.shape == (50, CLASSES)
    assert rows.dtype == np.float32
    for row, image in zip(rows, images, strict=True):
        place, score = expected(image, CLASSES)
        assert int(row.argmax()) == place
        assert float(row[place]) == score
        assert np.count_nonzero(row) == 1


async def test_a_batch_of_which_all_is_known_already_is_empty() -> None:
    decoded, pixels = await WaitingDecoder().decode([])
    assert decoded == []
    assert pixels.shape == (0, 1, 2, 3)


def test_its_batches_are_as_large_as_on_a_gpu(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    made = waiting.parts(settings, 1, fixed_ms=5, image_ms=0.2)
    assert made.max_batch == MOST_IMAGES["tensorflow"]


async def test_a_worker_that_dies_is_told_of(
    flushed_redis_url: str, tmp_path: Path
) -> None:
    settings = Settings(redis_url=flushed_redis_url, data_dir=str(tmp_path))
    with pytest.raises(StartError, match="ended unasked: waiting worker 1"):
        async with waiting.workers(settings, 1, 1, 0.1) as (pid,):
            psutil.Process(pid).kill()
            async with asyncio.timeout(20):
                while not successors(pid):
                    await asyncio.sleep(0.01)


def successors(pid: int) -> list[psutil.Process]:
    """Other waiting workers of this process."""
    children = psutil.Process().children()
    return [
        one
        for one in children
        if one.pid != pid
        and one.status() != psutil.STATUS_ZOMBIE
        and "bench.waiting" in one.cmdline()
    ]


@pytest.mark.alone
@pytest.mark.parametrize("images", [1, 8])
def test_it_waits_as_long_as_it_should(images: int) -> None:
    """The best of several: what is late is the machine's doing."""
    engine = WaitingEngine(CLASSES, 5, 2)
    pixels = np.zeros((images, 1, 2, 3), np.uint8)
    seen_ms = []
    for _ in range(5):
        started = time.perf_counter()
        engine.run(pixels)
        seen_ms.append((time.perf_counter() - started) * 1000)
    assert min(seen_ms) >= 5 + 2 * images
    assert min(seen_ms) < 5 + 2 * images + 1


async def test_waiting_workers_answer_each_entry_with_its_own_row(
    flushed_redis_url: str, tmp_path: Path
) -> None:
    """Two processes, a real server, and 200 entries on both lanes."""
    settings = Settings(redis_url=flushed_redis_url, data_dir=str(tmp_path))
    labels = catalogue.resolve(settings.model, settings.data_path).labels
    images = {}
    link = Keeper(flushed_redis_url)
    async with waiting.workers(settings, 2, 1, 0.1) as pids:
        assert len(set(pids)) == 2
        for number in range(200):
            image = payload(1000, number)
            digest = hashlib.sha256(image).digest()
            request = wire.Request(wire.VERSION, wire.new_id(digest), digest, 60_000)
            images[request.id] = image
            lane = keys.LANES[number % 2]
            stream = keys.requests(settings.model_name, lane)
            await link.call(
                "XADD", stream, "*", "h", wire.encode(request), "img", image
            )
        async with asyncio.timeout(20):
            found: list[bytes | None] = [None]
            while None in found:
                found = await link.call("MGET", *map(keys.result, images))
    for request_id, told in zip(images, found, strict=True):
        assert told is not None
        ended = wire.read_ended(told)
        place, score = expected(images[request_id], len(labels))
        assert isinstance(ended, wire.Success)
        assert ended.id == request_id
        assert ended.predictions[0].label == labels[place].label
        assert ended.predictions[0].score == pytest.approx(score, abs=1e-6)
    await link.close()
