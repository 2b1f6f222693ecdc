"""Connections end with their clients, at once: each costs a descriptor."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.server import Server
from gateway.traffic import Traffic

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
WITHIN_S = 5  # and not KEEP_ALIVE_S, nor FIRST_REQUEST_S


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers "/"; anything else waits for its client to leave."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["path"] == "/":
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})
    else:
        while (await receive())["type"] != "http.disconnect":
            pass


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Where a gateway's server listens."""
    stop, ready = asyncio.Event(), asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(app, Traffic(1000, 10), stop_s=1)
        running = asyncio.create_task(server.run(listener, stop, ready.set))
        await ready.wait()
        yield listener.getsockname()[1]
        stop.set()
        await running


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b""),
        (REQUEST, b"ok"),
        (REQUEST * 2, b"ok"),
        (REQUEST.replace(b"/ ", b"/slow "), b""),
    ],
    ids=["nothing", "one", "two", "left"],
)
async def test_a_connection_is_closed_when_its_client_closes_it(
    port: int, sent: bytes, answered: bytes
) -> None:
    """A client that only stops sending sees the other side being closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    if answered:
        for _ in range(sent.count(b"GET")):
            await reader.readuntil(answered)
    async with asyncio.timeout(WITHIN_S):
        writer.write_eof()
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
