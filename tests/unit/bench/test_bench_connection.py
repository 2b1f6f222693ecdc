"""The lean client reads answers whole, opens again what was closed, and says what it cannot read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bench.connection import Address, Connection, Form
from gateway.uploads import image_of

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Connection]:
    ended = asyncio.Queue[None]()
    begun = 0

    async def close_after(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal begun
        begun += 1
        await handler(reader, writer)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        ended.put_nowait(None)

    async with await asyncio.start_server(close_after, "127.0.0.1", 0) as server:
        connection = Connection(Address(*server.sockets[0].getsockname()))
        yield connection
        connection.close()
        for _ in range(begun):
            await ended.get()


async def test_an_answer_in_pieces_is_put_together() -> None:
    async def slowly(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        whole = b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello"
        for at in range(len(whole)):
            writer.write(whole[at : at + 1])
            await asyncio.sleep(0)

    async with serving(slowly) as connection:
        reply = await connection.send(REQUEST)
    assert (reply.status, reply.body) == (404, b"hello")


async def test_a_closed_connection_is_opened_again() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")
        writer.write(b"Connection: close\r\n\r\n")

    async with serving(once) as connection:
        for _ in range(3):
            assert (await connection.send(REQUEST)).status == 200


async def test_an_answer_cut_off_is_an_error() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal")

    async with serving(half) as connection:
        with pytest.raises(ConnectionError, match="closed"):
            await connection.send(REQUEST)


async def test_an_answer_without_length_is_an_error() -> None:
    async def endless(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.read()

    async with serving(endless) as connection:
        with pytest.raises(ConnectionError, match="Content-Length"):
            await connection.send(REQUEST)


def test_the_form_is_one_that_the_gateway_reads() -> None:
    data = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    head, image, after = Form(Address("here", 80), "/predict", "image/png").parts(data)
    headers, before = head.split(b"\r\n\r\n", 1)
    (kind,) = (
        line for line in headers.decode().splitlines() if "multipart/form-data" in line
    )
    body = before + image + after
    assert f"Content-Length: {len(body)}".encode() in headers
    assert image_of(kind.removeprefix("Content-Type: "), body) == data


@pytest.mark.parametrize("url", ["https://here", "here:80", ""])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected http"):
        Address.of(url)
