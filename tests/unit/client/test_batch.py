"""Pictures sent together, to servers that take them so, or not, or not now."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from client import Answer, BadAnswer, Client, PatienceOver, Refused
from client.batch import MOST

PICTURES = [b"one", b"two", b"three"]


def answer(name: str) -> dict[str, Any]:
    best = {"wnid": "n1", "label": name, "description": name, "score": 0.5}
    return {
        "id": "1-a",
        "model": "m",
        "predictions": [best],
        "cached": False,
        "timing_ms": {},
    }


def problem(code: str) -> dict[str, Any]:
    return {"type": code, "title": code, "detail": f"It is {code}."}


@contextlib.asynccontextmanager
async def serving(
    batch: Callable[[list[bytes]], web.Response],
) -> AsyncIterator[tuple[Client, Counter[str]]]:
    """A client of a server that answers batches like this, and pictures alone by their bytes."""
    asked: Counter[str] = Counter()

    async def together(request: web.Request) -> web.Response:
        asked["batch"] += 1
        found = [
            await part.read(decode=True)  # type: ignore[union-attr]
            async for part in await request.multipart()
        ]
        return batch([bytes(one) for one in found])

    async def alone(request: web.Request) -> web.Response:
        asked["alone"] += 1
        return web.json_response(answer((await request.read()).decode()))

    async def later(request: web.Request) -> web.Response:
        asked["later"] += 1
        return web.json_response(answer(request.match_info["id"]))

    app = web.Application()
    app.router.add_post("/v1/batch", together)
    app.router.add_post("/v1/classify", alone)
    app.router.add_get("/v1/results/{id}", later)
    async with TestServer(app) as server, Client(str(server.make_url(""))) as client:
        yield client, asked


def labels(outcomes: list[Any]) -> list[str]:
    assert all(isinstance(one, Answer) for one in outcomes), outcomes
    return [one.best.label for one in outcomes]


async def test_one_request_for_all() -> None:
    def batch(given: list[bytes]) -> web.Response:
        ends = [{"status": 200, "answer": answer(one.decode())} for one in given]
        return web.json_response({"results": ends})

    async with serving(batch) as (client, asked):
        assert labels(await client.classify_batch(PICTURES)) == ["one", "two", "three"]
        assert asked == {"batch": 1}
        assert labels(await client.classify_batch(PICTURES[:1])) == ["one"]
        assert asked == {"batch": 1, "alone": 1}  # there is nothing to share
        assert await client.classify_batch([]) == []


async def test_each_goes_on_from_where_it_is() -> None:
    """One is refused for good, one is still in the queue, one found no room, one nobody knows."""
    ends = [
        {"status": 400, "problem": problem("not-an-image")},
        {"status": 202, "accepted": {"id": "7-f"}, "retry_after_s": 1},
        {"status": 429, "problem": problem("queue-full"), "retry_after_s": 1},
        {"status": 299},
    ]
    given = [b"bad", b"slow", b"full", b"odd"]
    reply = web.json_response({"results": ends})
    async with serving(lambda _: reply) as (client, asked):
        bad, *rest = await client.classify_batch(given)
    assert isinstance(bad, Refused)
    assert (bad.code, bad.detail) == ("not-an-image", "It is not-an-image.")
    assert labels(rest) == ["7-f", "full", "odd"]
    assert asked == {"batch": 1, "later": 1, "alone": 2}


@pytest.mark.parametrize("status", [404, 405, 413, 501])
async def test_a_server_that_takes_none_together_is_asked_about_each(
    status: int,
) -> None:
    async with serving(lambda _: web.Response(status=status)) as (client, asked):
        for _ in range(2):
            assert labels(await client.classify_batch(PICTURES)) == [
                *("one", "two", "three"),
            ]
        assert asked == {"batch": 1, "alone": 6}  # it is not tried again


@pytest.mark.parametrize(
    "reply",
    [
        lambda: web.Response(text="<html>"),
        lambda: web.json_response({"results": []}),
        lambda: web.json_response({"results": [{"status": "fine"}] * 3}),
        lambda: web.Response(body=bytes(11_000_000)),
        lambda: web.Response(status=500),
        lambda: web.Response(status=429, headers={"Retry-After": "0"}),
        lambda: web.Response(status=307, headers={"Location": "http://other"}),
    ],
)
async def test_what_is_no_answer_costs_no_picture(
    reply: Callable[[], web.Response],
) -> None:
    async with serving(lambda _: reply()) as (client, asked):
        for _ in range(2):
            assert labels(await client.classify_batch(PICTURES)) == [
                *("one", "two", "three"),
            ]
        assert asked == {"batch": 2, "alone": 6}


async def test_where_nobody_is_there_each_says_so() -> None:
    async with TestServer(web.Application()) as server:
        url = str(server.make_url(""))
    async with Client(url) as client:
        found = await client.classify_batch(PICTURES, patience_s=0.2)
    assert [type(one) for one in found] == [PatienceOver] * 3


async def test_where_something_else_answers_each_says_so() -> None:
    async def odd(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", odd)
    async with TestServer(app) as server, Client(str(server.make_url(""))) as client:
        found = await client.classify_batch(PICTURES)
    assert [type(one) for one in found] == [BadAnswer] * 3


async def test_no_more_than_may_be_together() -> None:
    async with Client() as client:
        with pytest.raises(ValueError, match=str(MOST)):
            await client.classify_batch([b""] * (MOST + 1))
