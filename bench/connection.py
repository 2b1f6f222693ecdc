"""A lean HTTP/1.1 client: what it costs is taken from the system, with which it shares the cores.

One request at a time on a kept-alive connection, answers with a Content-Length alone, plain HTTP.
"""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Final, Protocol, Self, cast
from urllib.parse import urlsplit

BOUNDARY: Final = b"pictor-bench-6f1d3a"
HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass(frozen=True)
class Reply:
    """An answer; `head` is as it came, status line and headers."""

    status: int
    body: bytes
    head: bytes = b""

    def header(self, name: str) -> str:
        """A header's value, or nothing."""
        pattern = rb"\r\n" + re.escape(name.encode()) + rb": *([^\r\n]*)"
        found = re.search(pattern, self.head, re.IGNORECASE)
        return found[1].decode() if found else ""


@dataclass(frozen=True)
class Address:
    """Where the system listens."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Reads ``http://host:port``.

        Raises:
            ValueError: it is no such address.
        """
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url}: expected http://host:port")
        return cls(parts.hostname, parts.port or 80)


class Connection(asyncio.Protocol):
    """One client's connection; it is opened with its first request, and again when it was closed."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._reply: asyncio.Future[Reply] | None = None

    async def send(self, *parts: bytes) -> Reply:
        """Sends one request, head and body, and returns its answer.

        Raises:
            OSError: the connection cannot be made, or was closed in between.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None:
            self._buffer.clear()
            address = self._address
            await loop.create_connection(lambda: self, address.host, address.port)
        assert self._transport is not None
        self._reply = loop.create_future()
        self._transport.writelines(parts)
        return await self._reply

    def close(self) -> None:
        """Closes at once."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(HEAD_END)
        if head_end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, head_end)
        if length is None:
            self._fail("an answer without Content-Length")
            return
        start = head_end + len(HEAD_END)
        end = start + int(length[1])
        if len(self._buffer) < end:
            return
        head = bytes(self._buffer[:head_end])
        reply = Reply(int(head[9:12]), bytes(self._buffer[start:end]), head)
        if _CLOSE.search(self._buffer, 0, head_end):
            self.close()
        self._buffer.clear()
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(reply)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._fail(f"the connection was closed: {error}")

    def _fail(self, reason: str) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(ConnectionError(reason))


class Post(Protocol):
    """Makes requests that carry files of one kind."""

    def parts(self, data: bytes) -> tuple[bytes, ...]:
        """A request for `Connection.send`."""


@dataclass(frozen=True)
class Form:
    """Posts files as the form field ``file``, as a browser does.

    Attributes:
        path: of the request, with its query.
        media_type: of the files.
    """

    address: Address
    path: str
    media_type: str
    _before: bytes = field(init=False)

    def __post_init__(self) -> None:
        disposition = b'Content-Disposition: form-data; name="file"; filename="picture"'
        media_type = b"Content-Type: " + self.media_type.encode()
        lines = (b"--" + BOUNDARY, disposition, media_type)
        object.__setattr__(self, "_before", b"\r\n".join(lines) + HEAD_END)

    def parts(self, data: bytes) -> tuple[bytes, bytes, bytes]:
        """A request for `Connection.send`."""
        after = b"\r\n--" + BOUNDARY + b"--\r\n"
        length = len(self._before) + len(data) + len(after)
        head = (
            f"POST {self.path} HTTP/1.1\r\n"
            f"Host: {self.address.host}:{self.address.port}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY.decode()}\r\n"
            f"Content-Length: {length}\r\n\r\n"
        )
        return head.encode() + self._before, data, after


@dataclass(frozen=True)
class Raw:
    """Posts files as the request's body, nothing around them.

    Attributes:
        path: of the request, with its query.
        media_type: of the files.
        headers: further ones.
    """

    address: Address
    path: str
    media_type: str
    headers: tuple[tuple[str, str], ...] = ()

    def parts(self, data: bytes) -> tuple[bytes, bytes]:
        """A request for `Connection.send`."""
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        head = (
            f"POST {self.path} HTTP/1.1\r\n"
            f"Host: {self.address.host}:{self.address.port}\r\n"
            f"Content-Type: {self.media_type}\r\n{more}"
            f"Content-Length: {len(data)}"
        )
        return head.encode() + HEAD_END, data
