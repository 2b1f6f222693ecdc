"""Clients and feed of `bench.scale` count right answers alone, each of an image of its own."""

import asyncio
import math
from pathlib import Path

import pytest

from bench import asking, waiting
from bench.asking import Asking
from bench.feed import SAMPLE, Feed
from bench.meter import batches
from bench.waiting import expected
from common import keys, wire
from common.connections import Keeper
from common.settings import Settings
from inference.models import catalogue
from tests.support.answering import answering

LABELS = ["tench", "goldfish"]
WITHIN_S = 20


async def nothing(_request: bytes) -> None:
    """Nothing is done before an answer."""


@pytest.mark.parametrize(
    "body",
    [b"{}", b"no JSON", b'{"success":true,"prediction":"tench","score":0.4}'],
)
async def test_what_is_not_an_images_answer_is_an_error(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No score is below a half."""
    monkeypatch.setattr(asking, "PAUSE_S", 0.01)
    async with answering(body, nothing) as address:
        clients = Asking(f"http://127.0.0.1:{address.port}", 1000, 2, LABELS)
        clients.start()
        async with asyncio.timeout(WITHIN_S):
            while clients.errors < 4:
                await asyncio.sleep(0.01)
        await clients.stop()
    assert clients.done == 0


async def test_a_feed_keeps_its_level_and_compares_answers(
    flushed_redis_url: str, tmp_path: Path
) -> None:
    """Then workers take from it: all end, and each sampled answer is its image's."""
    settings = Settings(redis_url=flushed_redis_url, data_dir=str(tmp_path))
    classes = len(catalogue.resolve(settings.model, settings.data_path).labels)
    stream = keys.requests(settings.model_name, "bulk")
    link = Keeper(flushed_redis_url)
    feed = Feed(link, settings, "bulk", 1000, classes)
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    await feed.fill(4 * SAMPLE)
    assert await link.call("XLEN", stream) == feed.added == 4 * SAMPLE
    assert await feed.ended() == 0
    feed.hold(5 * SAMPLE)
    async with waiting.workers(settings, 1, 1, 0.1, metrics):
        async with asyncio.timeout(WITHIN_S):
            while await feed.ended() < 6 * SAMPLE:
                await asyncio.sleep(0.01)
        await feed.let_go()
        async with asyncio.timeout(WITHIN_S):
            while await feed.ended() < feed.added:
                await asyncio.sleep(0.01)
    assert await feed.compare() == math.ceil(feed.added / SAMPLE)
    assert feed.wrong == 0
    count, images = batches(metrics)
    assert images == feed.added
    assert 0 < count < images
    await link.close()


async def test_a_wrong_answer_is_seen(flushed_redis_url: str, tmp_path: Path) -> None:
    settings = Settings(redis_url=flushed_redis_url, data_dir=str(tmp_path))
    link = Keeper(flushed_redis_url)
    feed = Feed(link, settings, "bulk", 1000, len(LABELS))
    await feed.fill(2 * SAMPLE)
    stream = keys.requests(settings.model_name, "bulk")
    images = []
    for _, fields in await link.call("XRANGE", stream, "-", "+"):
        told = dict(zip(fields[::2], fields[1::2], strict=True))
        header = wire.read_request(told[b"h"])
        _, score = expected(told[b"img"], len(LABELS))
        images.append((header.id, score))
    for number, (request_id, score) in enumerate(images):
        right = number >= SAMPLE  # those of the first sample are another's
        guess = wire.Prediction("n1", "tench", "", score if right else score - 0.4)
        answer = wire.encode(
            wire.Success(
                wire.VERSION,
                request_id,
                "",
                "m",
                "d",
                (guess,),
                wire.Timing(0, 0, 0, 1),
            )
        )
        await link.call("SET", keys.result(request_id), answer)
    assert await feed.compare() == 2
    assert feed.wrong == 1
    await link.close()
