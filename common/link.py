"""One connection to Redis on which the commands of many tasks follow each other without waiting.

This is the client of both parts. A command is packed and written at once and its reply is a future, so
that a task which is cancelled leaves the connection in order (its reply arrives and is dropped), and
a burst of commands costs one write. redis-py's connections can do neither: a cancelled command costs
its connection, and each command waits for the last.

Parsing and packing are hiredis'; address, TLS and credentials are read by redis-py.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import hiredis
from redis.asyncio.connection import (
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)

CONNECT_TIMEOUT_S: Final = 2.0
# From this size on an argument is handed to the socket as it is; packing would copy it once more.
LARGE_BYTES: Final = 16 * 1024

Argument = bytes | str | int | float
Command = tuple[Argument, ...]
# hiredis says tuple[X], which to a type checker is a tuple of one.
_pack: Final[Callable[[Command], bytes]] = cast(Any, hiredis.pack_command)


class LinkLost(ConnectionError):
    """The connection is gone; whether what was not answered took effect is unknown."""


class ReplyError(Exception):
    """Redis refused a command.

    Attributes:
        kind: the first word of its text, such as ``OOM``, ``NOGROUP`` or ``BUSYGROUP``.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.kind = text.partition(" ")[0]


class _Awaited:
    """Commands written together: one future for all of their replies."""

    __slots__ = ("future", "missing", "replies")

    def __init__(self, future: "asyncio.Future[list[Any]]", missing: int) -> None:
        self.future = future
        self.missing = missing
        self.replies: list[Any] = []


class Link(asyncio.Protocol):
    """A connection; made by ``Link.open``. It is not reopened: see ``common.connections``."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[_Awaited] = deque()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self.heard_at = time.monotonic()
        self.lost: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def open(
        cls, url: str, *, name: str = "", make: "Callable[[], Link] | None" = None
    ) -> "Link":
        """Connects and authenticates; ``make`` builds a subclass.

        Raises:
            LinkLost: nobody listens there, within CONNECT_TIMEOUT_S.
            ReplyError: the server refused the credentials or the database.
        """
        link = (make or cls)()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await link._connect(dict(parse_url(url)), name)
        except (
            OSError,
            TimeoutError,
            UnicodeError,
        ) as error:  # the last for a host that is none
            link.close()
            raise LinkLost(
                f"cannot connect to Redis: {str(error) or 'timed out'}"
            ) from error
        except ReplyError:
            link.close()
            raise
        return link

    async def _connect(self, address: dict[str, Any], name: str) -> None:
        kind = address.get("connection_class")
        if kind is UnixDomainSocketConnection:
            await self._loop.create_unix_connection(lambda: self, address["path"])
        else:
            tls = kind is SSLConnection
            await self._loop.create_connection(
                lambda: self,
                address.get("host", "localhost"),
                address.get("port", 6379),
                ssl=tls_context(address) if tls else None,
            )
        hello: list[Command] = []
        if password := address.get("password"):
            username = address.get("username")
            hello.append(
                ("AUTH", username, password) if username else ("AUTH", password)
            )
        if database := address.get("db"):
            hello.append(("SELECT", database))
        if name:
            hello.append(("CLIENT", "SETNAME", name))
        if hello:
            for reply in await self.send(hello):
                if isinstance(reply, ReplyError):
                    raise reply

    def send(self, commands: Iterable[Command]) -> "asyncio.Future[list[Any]]":
        """Writes commands at once and in order; one future for all their replies.

        It holds what hiredis makes of each reply (bytes, int, None, list), a ReplyError in place of
        one that was refused; or it raises LinkLost. Sending never waits: what is under way is bounded
        by those who send.
        """
        parts: list[bytes] = []
        count = 0
        for command in commands:
            last = command[-1]
            if isinstance(last, bytes) and len(last) >= LARGE_BYTES:
                parts += _packed_around(command, last)
            else:
                parts.append(_pack(command))
            count += 1
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if self._transport is None or self._transport.is_closing():
            future.set_exception(LinkLost("the connection is closed"))
        elif not count:
            future.set_result([])
        else:
            self._waiting.append(_Awaited(future, count))
            self._transport.writelines(parts)
        return future

    def write(self, *command: Argument) -> None:
        """Writes a command whose replies are pushed (see `deliver`), or wanted by nobody."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_pack(command))

    async def call(self, *command: Argument) -> Any:
        """Sends one command and waits for its reply; raises ReplyError or LinkLost."""
        (reply,) = await self.send((command,))
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def close(self) -> None:
        """Closes at once; what waits raises LinkLost."""
        if self._transport is not None:
            self._transport.abort()
        self._end(None)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self.deliver(reply)
        except hiredis.ProtocolError as error:
            self._end(error)
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error)

    def deliver(self, reply: Any) -> None:
        """Hands a reply to whoever waits first; a subscription does otherwise."""
        if (
            not self._waiting
        ):  # such as "max number of clients reached", which nobody asked
            self._end(ReplyError(str(reply)))
            self.close()
            return
        awaited = self._waiting[0]
        awaited.replies.append(
            ReplyError(str(reply)) if isinstance(reply, hiredis.ReplyError) else reply
        )
        awaited.missing -= 1
        if not awaited.missing:
            self._waiting.popleft()
            if not awaited.future.done():  # its task was cancelled; they are nobody's
                awaited.future.set_result(awaited.replies)

    def _end(self, error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        waiting, self._waiting = self._waiting, deque()
        for awaited in waiting:
            if not awaited.future.done():
                awaited.future.set_exception(
                    LinkLost(f"the connection to Redis was lost: {error}")
                )
                # Its task may have gone; that is no error of its own.
                awaited.future.exception()


def _packed_around(command: Command, last: bytes) -> tuple[bytes, bytes, bytes]:
    """A command in three parts, its large last argument as it is (RESP: an array of bulk strings)."""
    before = _pack(command[:-1])
    rest = before.index(b"\r\n") + 2  # behind the count of arguments
    head = b"*%d\r\n%b$%d\r\n" % (len(command), before[rest:], len(last))
    return head, last, b"\r\n"


def tls_context(address: dict[str, Any]) -> ssl.SSLContext:
    """An SSL context from a ``rediss://`` address, with redis-py's defaults (all is checked)."""
    given = {name: value for name, value in address.items() if name.startswith("ssl_")}
    context: ssl.SSLContext = SSLConnection(**given).ssl_context.get()
    return context
