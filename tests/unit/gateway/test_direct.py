"""Uploads answered without Quart: what a client that leaves, a slow body and a bug come to."""

import asyncio
from typing import Any, cast

import pytest

from common import errors
from common.link import LinkLost
from gateway import body as body_module
from gateway.body import Body
from gateway.classify import Upload
from gateway.direct import ClientLeft, Direct, until_left
from gateway.exchange import Exchange
from gateway.problems import Reply
from gateway.service import Service
from gateway.traffic import Traffic


class Client:
    """The server's side of one request: what it says, and what it is told."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = asyncio.Queue[dict[str, Any]]()
        for message in messages:
            self._messages.put_nowait(message)
        self.told: list[dict[str, Any]] = []

    def leave(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> Any:
        return await self._messages.get()

    async def send(self, message: Any) -> None:
        self.told.append(message)

    async def ask(self, handler: Any, path: str = "/predict") -> None:
        async def quart(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "quart"})

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [],
            "state": {"exchange": Exchange("an id", 0.0)},
        }
        direct = Direct(quart, cast(Service, None), {"/predict": handler})
        traffic = Traffic(most_bytes=1000, most_requests=1)
        await direct(scope, Body(self.receive, traffic), self.send)


def part(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


async def test_the_handler_has_the_whole_body_and_its_answer_is_sent() -> None:
    client = Client(part(b"one", more=True), part(b"two", more=True), part(b""))
    seen: list[bytes] = []

    async def handler(upload: Upload) -> Reply:
        seen.append(upload.body)
        return Reply(202, {"Location": "/there"}, b"later")

    await client.ask(handler)
    assert seen == [b"onetwo"]
    start, end = client.told
    assert start["status"] == 202
    assert start["headers"] == [(b"location", b"/there"), (b"content-length", b"5")]
    assert end == {"type": "http.response.body", "body": b"later"}


async def test_other_paths_are_quarts() -> None:
    client = Client(part(b"x"))
    await client.ask(None, path="/feedback")
    assert client.told == [{"type": "quart"}]


async def test_a_client_that_leaves_takes_its_request_along() -> None:
    client = Client(part(b"x"))
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(upload: Upload) -> Reply:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    asking = asyncio.create_task(client.ask(handler))
    await begun.wait()
    client.leave()
    await asking  # ends in order
    assert ended.is_set()
    assert client.told == []


async def test_a_client_that_leaves_within_its_body_is_not_answered() -> None:
    client = Client(part(b"x", more=True))
    client.leave()

    async def handler(upload: Upload) -> Reply:
        raise AssertionError

    await client.ask(handler)
    assert client.told == []


async def test_who_is_cancelled_from_outside_is_cancelled() -> None:
    """A server that ends is no client that leaves."""
    asking = asyncio.create_task(
        until_left(asyncio.Event().wait(), asyncio.Event().wait)  # type: ignore[arg-type]
    )
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    left = asyncio.Event()
    asking = asyncio.create_task(until_left(asyncio.Event().wait(), left.wait))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    left.set()
    with pytest.raises(ClientLeft):
        await asking


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.QueueFull(retry_after_s=3), 429, "queue-full"),
        (LinkLost("gone"), 503, "broker-away"),
        (ZeroDivisionError("a secret"), 500, "internal-error"),
    ],
)
async def test_whatever_is_raised_is_an_answer(
    error: Exception, status: int, code: str
) -> None:
    async def handler(upload: Upload) -> Reply:
        raise error

    client = Client(part(b"x"))
    await client.ask(handler)
    start, end = client.told
    assert start["status"] == status
    assert (b"x-error-code", code.encode()) in start["headers"]
    assert b"secret" not in end["body"]


async def test_a_body_that_stops_is_cut_off_and_one_that_goes_on_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One timer for all of it; what has come buys more time."""
    monkeypatch.setattr(body_module, "SPARE_S", 0.05)
    monkeypatch.setattr(body_module, "LEAST_BYTES_PER_S", 1000)
    client = Client(part(b"x" * 200, more=True))  # worth 0.2 s
    asking = asyncio.create_task(Body(client.receive, Traffic(1000, 1)).whole())
    await asyncio.wait({asking}, timeout=0.15)
    client._messages.put_nowait(part(b"end"))
    assert await asking == b"x" * 200 + b"end"
    with pytest.raises(errors.TooSlow):
        await Body(client.receive, Traffic(1000, 1)).whole()
