"""Connections end with their clients, at once: each costs a descriptor."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway import connection, server
from gateway.server import Server
from gateway.traffic import Traffic

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PLACES = 10
# The large one is more than the kernel takes on both sides.
ANSWERS = {"/": b"ok", "/large": b"a" * 32_000_000, "*": b"none"}
WITHIN_S = 5  # and not KEEP_ALIVE_S, nor FIRST_REQUEST_S


class Roomy(connection.Connection):
    """Whose transport takes everything at once, as it takes the end of every answer."""

    def __init__(self, *made: Any, **also: Any) -> None:
        super().__init__(*made, **also)
        self.writer.transport.set_write_buffer_limits(high=2**30)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers some; anything else waits for its client to leave."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["path"] == "/elsewhere":  # as a page's form is refused: without a body
        await send({"type": "http.response.start", "status": 302, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.body", "body": b""})
    elif scope["path"] in ANSWERS:
        body = ANSWERS[scope["path"]]
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        while (await receive())["type"] != "http.disconnect":
            pass


@pytest.fixture
def running() -> Server:
    """A gateway's server with a few places."""
    return Server(app, Traffic(1000, PLACES), stop_s=1)


@pytest.fixture
async def port(running: Server) -> AsyncIterator[int]:
    """Where it listens."""
    stop, ready = asyncio.Event(), asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(running.run(listener, stop, ready.set))
        await ready.wait()
        yield listener.getsockname()[1]
        stop.set()
        await task


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


async def test_a_connection_on_which_another_request_waits_ends_with_its_client_too(
    port: int, running: Server
) -> None:
    """Its answer is not read, nor is the second request: only the client's reset tells."""
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST.replace(b"/ ", b"/large ") * 2)
        await asyncio.sleep(0.2)
        writer.transport.abort()
    async with asyncio.timeout(WITHIN_S):
        while running._connections:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("path", ["/", "/slow"])
async def test_a_body_in_more_pieces_than_are_read_keeps_no_connection(
    port: int, running: Server, path: str
) -> None:
    """Whether its app has answered without reading it, or waits for its client to leave."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode() + b"1\r\na\r\n" * 1000)
    writer.write_eof()
    async with asyncio.timeout(WITHIN_S):
        await reader.read()
        while running._connections:
            await asyncio.sleep(0.05)
    writer.close()


async def test_who_is_refused_within_a_body_hears_so_at_once(port: int) -> None:
    """Even if the answer has no body, and only ends once the request does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST /elsewhere HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
    writer.write(head + b"12")
    async with asyncio.timeout(WITHIN_S):
        assert b"302" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"34")
        writer.close()


async def test_who_does_not_read_an_answer_is_cut_off(
    port: int, running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "READING_S", 0.3)
    client = socket.create_connection(("127.0.0.1", port))
    with client:
        client.sendall(REQUEST.replace(b"/ ", b"/large "))
        async with asyncio.timeout(WITHIN_S):
            while not running._connections:
                await asyncio.sleep(0.01)
            while running._connections:
                await asyncio.sleep(0.05)


async def test_who_does_not_read_the_last_of_it_is_not_waited_for(
    port: int, running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole answer has been handed to the socket, which cannot get rid of it."""
    monkeypatch.setattr(connection, "FLUSH_S", 0.3)
    monkeypatch.setattr(connection, "KEEP_ALIVE_S", 0.3)
    monkeypatch.setattr(server, "Connection", Roomy)
    client = socket.create_connection(("127.0.0.1", port))
    with client:
        client.sendall(REQUEST.replace(b"/ ", b"/large "))
        async with asyncio.timeout(WITHIN_S):
            while not running._connections:
                await asyncio.sleep(0.01)
            while running._connections:
                await asyncio.sleep(0.05)


async def test_idle_connections_make_way_the_longest_idle_first(port: int) -> None:
    """All places are taken by those who ask nothing; who asks is served."""
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(PLACES)]
    await asyncio.sleep(0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    async with asyncio.timeout(WITHIN_S):
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        assert await idle[0][0].read() == b""
    idle[1][1].write(REQUEST)
    assert (await idle[1][0].readline()).startswith(b"HTTP/1.1 200 ")
    for _, other in [*idle, (reader, writer)]:
        other.close()


async def test_connections_in_use_do_not_make_way(port: int) -> None:
    used = [await asyncio.open_connection("127.0.0.1", port) for _ in range(PLACES)]
    for _, writer in used:
        writer.write(REQUEST.replace(b"/ ", b"/slow "))
    await asyncio.sleep(0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
    for _, other in [*used, (reader, writer)]:
        other.close()


@pytest.mark.parametrize(
    "upgrade",
    [
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Protocol: \xff\r\n",
    ],
)
async def test_nothing_is_upgraded_to(port: int, upgrade: str) -> None:
    """The request is answered as if nothing had been offered, and so is the next."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    offer = f"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n{upgrade}\r\n"
    for request in (offer.encode("latin-1"), REQUEST):
        writer.write(request)
        answer = await reader.readuntil(b"ok")
        assert answer.startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_http_2_is_not_spoken(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    async with asyncio.timeout(WITHIN_S):
        assert (await reader.read()).startswith(b"HTTP/1.1 ")
    writer.close()
