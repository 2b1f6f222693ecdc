"""The least that an HTTP server does with a picture: Hypercorn reads the raw body and says how long it is.

What Pictor's gateway reaches of its rate says what the gateway itself costs: forms, limits, Redis there
and back. The app is plain ASGI, under Hypercorn's own command with uvloop, one process.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import msgspec

from bench.clients import Expected
from bench.connection import Address
from bench.subject import Process, answering
from bench.system import free_port

Message = dict[str, Any]
START_S: Final = 20.0
HEADERS: Final = (b"content-type", b"application/json")


class Length(msgspec.Struct):
    """What it answers."""

    bytes: int


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Reads a request's body, joins it, and answers how long it was."""
    if scope["type"] != "http":
        return
    chunks, more = [], True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    answer = msgspec.json.encode(Length(len(b"".join(chunks))))
    headers = [HEADERS, (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def agrees(one: Expected, sent: bytes, body: bytes) -> bool:
    """Whether it read all that was sent."""
    return msgspec.json.decode(body, type=Length).bytes == len(sent)


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[Process]:
    """The server, answering; it ends with the context."""
    address = Address("127.0.0.1", free_port())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hypercorn", "--worker-class", "uvloop"),
        *("--bind", f"{address.host}:{address.port}", "--log-level", "warning"),
        "bench.echo:app",
    )
    server = Process(address, {"hypercorn": process.pid}, path="/")
    try:
        await answering(address, "/", START_S)
        yield server
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
