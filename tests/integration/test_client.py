"""The client library against a running system: one picture, many, and what goes wrong meanwhile."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from client import Client, Outcome, PatienceOver, Refused, SyncClient, Unreadable
from tests.support.load import EXPECTED, small
from tests.support.pictures import distinct
from tests.support.system import System, free_port, metric, with_model

NAMES = tuple(EXPECTED)


@pytest.fixture(scope="module")
def narrow(
    tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> Iterator[System]:
    """A system with next to no room in its bulk lane."""
    data_dir = with_model(tmp_path_factory.mktemp("narrow"), prepared / "models")
    with System(data_dir, engine="litert", workers=2, max_backlog_bulk=8) as running:
        yield running


def pictures(count: int) -> list[bytes]:
    return [distinct(small(NAMES[n % len(NAMES)])) for n in range(count)]


def labels(outcomes: list[Outcome[bytes]]) -> list[str]:
    return [one.answer.best.label for one in outcomes if one.answer is not None]


async def test_one_picture_from_bytes_or_a_file(narrow: System, tmp_path: Path) -> None:
    data = distinct(small("coffee.png"))
    file = tmp_path / "coffee.jpg"
    file.write_bytes(data)
    async with Client(narrow.url) as pictor:
        answer = await pictor.classify(data, top_k=3)
        again = await pictor.classify(file, top_k=3)
    assert answer.best.label == "espresso"
    assert len(answer.predictions) == 3
    assert again.cached
    assert again.predictions == answer.predictions
    assert sum(answer.timing_ms.values()) > 0


async def test_a_map_comes_with_its_values(narrow: System) -> None:
    async with Client(narrow.url) as pictor:
        answer = await pictor.classify(small("coffee.png"), explain=1)
    assert answer.map is not None
    assert len(answer.map.values) == answer.map.rows * answer.map.columns
    assert max(answer.map.values) == 255


async def test_a_perceptual_hash_comes_whatever_is_known(narrow: System) -> None:
    """An answer that was given without one is no answer to who wants one."""
    data = distinct(small("coffee.png"))
    async with Client(narrow.url) as pictor:
        plain = await pictor.classify(distinct(small("coffee.png")))
        hashed = await pictor.classify(data, phash=True)
        known = await pictor.classify(data)
        other = distinct(small("coffee.png"))
        await pictor.classify(other)
        anew = await pictor.classify(other, phash=True)
        again = await pictor.classify(other, phash=True)
    assert plain.phash is None
    assert hashed.phash is not None
    assert (known.cached, known.phash) == (True, hashed.phash)
    assert (anew.cached, anew.phash) == (False, hashed.phash)
    assert (again.cached, again.phash) == (True, hashed.phash)


async def test_what_is_refused_for_good_says_why_at_once(
    narrow: System, tmp_path: Path
) -> None:
    async with Client(narrow.url) as pictor:
        with pytest.raises(Refused, match="not a picture") as refused:
            await pictor.classify(b"these are words")
        assert (refused.value.status, refused.value.code) == (400, "not-an-image")
        assert refused.value.request_id
        with pytest.raises(Unreadable, match="No such file"):
            await pictor.classify(tmp_path / "gone.jpg")
        with pytest.raises(Refused, match="parameter is wrong"):
            await pictor.classify(b"x", top_k=99)


async def test_many_go_through_a_narrow_lane_and_each_ends_once(narrow: System) -> None:
    given = [*pictures(40), b"these are words"]
    before = metric(f"{narrow.url}/metrics", "pictor_refused_total")
    async with Client(narrow.url) as pictor:
        found = [one async for one in pictor.classify_many(given, concurrency=24)]
    refused = metric(f"{narrow.url}/metrics", "pictor_refused_total") - before
    assert refused > 1, "more than the one that is no picture"
    assert sorted(one.picture for one in found) == sorted(given)
    failed = [one for one in found if one.error is not None]
    assert [one.picture for one in failed] == [b"these are words"]
    for one in found:
        if one.answer is not None:
            name = NAMES[given.index(one.picture) % len(NAMES)]
            assert one.answer.best.label in EXPECTED[name]


async def test_a_gateway_that_dies_in_the_middle_costs_nothing(narrow: System) -> None:
    given = pictures(40)

    async def kill_one_on_the_way() -> AsyncIterator[bytes]:
        for number, picture in enumerate(given):
            if number == 20:
                (gateway,) = narrow.processes("gateway serve")
                os.kill(gateway.pid, signal.SIGKILL)
            yield picture

    async with Client(narrow.url) as pictor:
        many = pictor.classify_many(kill_one_on_the_way(), concurrency=8)
        found = [one async for one in many]
    assert len(found) == len(labels(found)) == 40


async def test_patience_ends_where_nobody_is_there() -> None:
    async with Client(f"http://127.0.0.1:{free_port()}") as pictor:
        with pytest.raises(PatienceOver, match=r"within 0\.5 s"):
            await pictor.classify(b"x", patience_s=0.5)


def test_the_same_without_asyncio(narrow: System, tmp_path: Path) -> None:
    files = []
    for number, data in enumerate(pictures(6)):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(data)
    with SyncClient(narrow.url) as pictor:
        assert pictor.classify(files[0]).best.label == "espresso"
        found = list(pictor.classify_many(files))
        assert {one.picture for one in found} == set(files)
        assert all(one.error is None for one in found)
        many = pictor.classify_many(files * 100)
        next(many)
        many.close()  # the rest is not waited for
        with pytest.raises(Refused):
            pictor.classify(b"these are words")


def test_a_client_that_was_not_entered_says_so() -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        SyncClient().classify(b"x")
    with pytest.raises(ValueError, match="begins with http"):
        Client("localhost:8000")
