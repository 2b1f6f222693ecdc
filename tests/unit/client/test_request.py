"""What servers may answer that are no Pictor, or ones in trouble."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator

import pytest

from client import BadAnswer, Client, PatienceOver, Refused, SyncClient

KEY = "the-key"


@contextlib.asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that says one thing to all, or nothing; its address, and what it heard."""
    heard: list[bytes] = []
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                heard.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}", heard
    finally:
        server.close()
        await asyncio.gather(*tasks)


def http(status: str, body: bytes = b"", **head: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in head.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
async def test_patience_holds_for_a_server_that_says_nothing_or_stops(
    answer: bytes,
) -> None:
    async with saying(answer) as (url, _), Client(url) as pictor:
        started = time.monotonic()
        with pytest.raises(PatienceOver, match="takes too long"):
            await pictor.classify(b"x", patience_s=0.3)
        assert time.monotonic() - started < 5
        assert pictor.trouble


async def test_a_server_that_is_full_at_once_is_not_flooded() -> None:
    full = http("429 Too Many", b'{"type": "queue-full"}', Retry_After="-5")
    async with saying(full) as (url, heard), Client(url) as pictor:
        with pytest.raises(PatienceOver, match="queue-full"):
            await pictor.classify(b"x", patience_s=0.5)
        assert len(heard) <= 11
        assert not pictor.trouble


async def test_neither_key_nor_picture_goes_where_a_server_points() -> None:
    async with saying(http("200 OK")) as (elsewhere, heard):
        points = http("307 Temporary Redirect", Location=elsewhere)
        async with saying(points) as (url, _), Client(url, key=KEY) as pictor:
            with pytest.raises(BadAnswer, match="points at"):
                await pictor.classify(b"x")
        assert not heard


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (http("200 OK", b"<html>"), "no answer of Pictor's"),
        (http("200 OK", bytes(11_000_000)), "more than 10 MB"),
        (http("202 Accepted", Location="http://other/v1/results/1"), "does not say"),
    ],
)
async def test_an_answer_that_is_none_says_so(answer: bytes, why: str) -> None:
    async with saying(answer) as (url, _), Client(url) as pictor:
        with pytest.raises(BadAnswer, match=why):
            await pictor.classify(b"x")


async def test_a_refusal_in_other_words_is_told_by_its_status() -> None:
    async with saying(http("405 No", b"<html>")) as (url, _), Client(url) as pictor:
        with pytest.raises(Refused, match="answers 405"):
            await pictor.classify(b"x")


async def test_many_that_are_left_half_way_end_with_their_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = http(
        "200 OK",
        b'{"id": "", "model": "", "predictions": [{"wnid": "", '
        b'"label": "", "description": "", "score": 1}], "cached": false, "timing_ms": {}}',
    )

    def ask(url: str) -> None:
        with SyncClient(url) as pictor:
            outcomes = pictor.classify_many([b"x"] * 99)
            next(outcomes)
        with pytest.raises(RuntimeError, match="context manager"):
            pictor.classify(b"x")
        outcomes.close()  # type: ignore[attr-defined]

    async with saying(answer) as (url, _):
        await asyncio.to_thread(ask, url)
    gc.collect()
    assert not caplog.records
