"""One connection: HTTP/1.1 alone, and how long each of its states may last.

Hypercorn would also speak HTTP/2 without TLS, which no browser does, and WebSocket, which nothing here
does. An upgrade that a client offers is declined, as RFC 9110, 7.8 allows: behind it requests pass a
proxy unseen (h2c smuggling), and a hundred streams whose answers nobody reads cost one connection.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final, cast

import h11
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import H11SendableEvent

FIRST_REQUEST_S: Final = 10.0  # from connecting to the end of the first headers
KEEP_ALIVE_S: Final = 75.0  # longer than the 60 s of common load balancers
READING_S: Final = 30.0  # for a client to make room for more of its answer, some 48 KB
FLUSH_S: Final = 10.0  # for what a client is still to read once its connection ends
READ_BYTES: Final = 256 * 1024  # at most at once; StreamReader holds half of that
ROOM_BYTES: Final = (
    64 * 1024
)  # of an answer may wait for its client's system to take it
UPGRADE: Final = b"upgrade"


class Http1(H11Protocol):
    """HTTP/1.1 and 1.0, whatever a client would rather speak."""

    _head = b""  # of an answer, not yet sent

    async def _check_protocol(self, event: h11.Request) -> None:
        """Nothing is switched to."""

    async def _create_stream(self, request: h11.Request) -> None:
        if any(name == UPGRADE for name, _ in request.headers):
            request = h11.Request(
                method=request.method,
                headers=[pair for pair in request.headers if pair[0] != UPGRADE],
                target=request.target,
                http_version=request.http_version,
            )
        await super()._create_stream(request)

    @property
    def _all_read(self) -> bool:
        """The request is here; else its answer may come long before its connection can be used again."""
        return self.connection.their_state is not h11.SEND_BODY

    async def _close_stream(self) -> None:
        """Its app reads no more: what it has not read is dropped, so that its end finds room in the queue.

        Hypercorn waits for that room, and for ever where a body came in more pieces than it holds.
        """
        if self.stream is not None:
            unread: asyncio.Queue[Any] = cast(Any, self.stream).app_put.__self__
            while not unread.empty():
                unread.get_nowait()
        await super()._close_stream()

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        """Head and body of an answer go in one write, where they come together."""
        try:
            data = self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state != h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response) and self._all_read:
            self._head = data
            return
        data, self._head = self._head + data, b""
        if data:
            await self.send(RawData(data=data))


class Idle:
    """Ends a connection that is idle for too long, by a timer: Hypercorn starts a task for each pause."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None
        self._timeout_s = FIRST_REQUEST_S

    async def restart(self, _group: object, _action: object) -> None:
        """A pause begins."""
        connection = self._connection
        connection.idle[connection] = None
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._timeout_s, connection.expire)
        self._timeout_s = KEEP_ALIVE_S

    async def stop(self) -> None:
        """It ends."""
        self._connection.idle.pop(self._connection, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Connection(TCPServer):
    """A connection that ends with its client, or when that keeps it for too long.

    Its first request must come sooner than any later one. Hypercorn keeps a connection that its client
    has closed until it has been idle for long; for ever, where another request waits on it, or where
    the client does not read its answer.

    Attributes:
        idle: those of its server without a request under way, the one that has been so for longest
            first; it enters itself.
    """

    def __init__(self, *made: Any, idle: "dict[Connection, None]", **also: Any) -> None:
        super().__init__(*made, **also)
        self.idle = idle
        self.idle_task = cast(Any, Idle(self))
        self._closing: asyncio.Task[None] | None = None

    async def _read_data(self) -> None:
        made = self.protocol
        self.protocol = cast(
            Any,
            Http1(
                made.app,
                made.config,
                made.context,
                made.task_group,
                made.state,
                made.ssl,
                made.client,
                made.server,
                made.send,
            ),
        )
        reading = asyncio.create_task(self._read())
        lost = asyncio.create_task(self._lost())  # it ends with the connection
        try:
            await asyncio.wait({reading, lost}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            if not reading.done():  # it may wait for what nobody will send or take
                reading.cancel()
                await asyncio.wait({reading})
                await self.protocol.handle(Closed())
            await self.idle_task.stop()

    async def _read(self) -> None:
        with contextlib.suppress(OSError):  # the client has gone
            while data := await self.reader.read(READ_BYTES):
                await self.protocol.handle(RawData(data))
        await self.protocol.handle(Closed())

    async def _lost(self) -> None:
        with contextlib.suppress(Exception):  # whatever ended it
            await self.writer.wait_closed()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, RawData):
            transport = self.writer.transport
            if not transport.is_closing():
                transport.write(event.data)
                if transport.get_write_buffer_size() <= ROOM_BYTES:
                    return
            event = RawData(b"")  # what is left is to wait for its client
        elif not isinstance(event, Closed):
            await super().protocol_send(event)
            return
        try:
            async with asyncio.timeout(READING_S):
                await super().protocol_send(event)
        except TimeoutError:
            self.writer.transport.abort()

    async def _initiate_server_close(self) -> None:
        with self._flushing():
            await super()._initiate_server_close()
            await self._lost()

    async def _close(self) -> None:
        with self._flushing():
            await super()._close()

    @contextlib.contextmanager
    def _flushing(self) -> Iterator[None]:
        """Ends the connection by force where its client does not take what is left."""
        forced = asyncio.get_running_loop().call_later(
            FLUSH_S, self.writer.transport.abort
        )
        try:
            yield
        finally:
            forced.cancel()

    def expire(self) -> None:
        """Closes it: it has been idle for long enough, or its server ends."""
        self._closing = asyncio.create_task(self._initiate_server_close())

    def make_way(self) -> None:
        """Closes it while it is idle, for the sake of another."""
        self.idle.pop(self, None)
        self.writer.close()
        asyncio.get_running_loop().call_later(FLUSH_S, self.writer.transport.abort)
