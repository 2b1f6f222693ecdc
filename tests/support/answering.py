"""A small HTTP server that says one thing to all who post."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from bench.connection import Address


@contextlib.asynccontextmanager
async def answering(
    body: bytes, before: Callable[[bytes], Awaitable[None]]
) -> AsyncIterator[Address]:
    """Serves until its clients have gone.

    Args:
        body: of each answer, status 200.
        before: is given each request, head and body, and awaited before it is answered.
    """
    handlers: list[asyncio.Task[None]] = []
    size = str(len(body)).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: " + size + b"\r\n\r\n" + body

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.append(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split()[0])
                await before(head + await reader.readexactly(length))
                writer.write(answer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Address(*server.sockets[0].getsockname())
        await asyncio.gather(*handlers)
