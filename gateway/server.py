"""Hypercorn's connections on a listening socket that outlives this process.

Hypercorn's own ``serve`` closes idle connections the moment it is told to stop, those accepted a moment
ago among them, and its clients see a request fail. Here a process leaves in order; see `Server.run`.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, cast

from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.utils import wrap_app

from gateway import metrics
from gateway.accepting import Acceptor, Counts
from gateway.connection import KEEP_ALIVE_S, Connection
from gateway.traffic import Traffic

NOTICE_S: Final = 1.0  # between saying that we leave and not accepting any more
SETTLE_S: Final = 0.2  # for the headers of what was accepted last
CLOSE_S: Final = 2.0
CLOSING: Final = 64  # connections beyond the bound, while others make way for them
LARGEST_HEAD_BYTES: Final = 16 * 1024
FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nX-Error-Code: busy\r\nRetry-After: 1\r\n"
    b"X-Error-Detail: Too many connections. Try again in a few seconds.\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


def configuration(stop_s: float) -> Config:
    """What Hypercorn is told; ``stop_s`` bounds the app's own end."""
    config = Config()
    config.shutdown_timeout = stop_s
    config.read_timeout = None  # gateway.body has a pace instead
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.h11_max_incomplete_size = LARGEST_HEAD_BYTES
    config.include_server_header = False
    config.errorlog = None
    return config


class Server:
    """Serves an app to a bounded number of connections."""

    def __init__(self, app: Any, traffic: Traffic, *, stop_s: float) -> None:
        self._config = configuration(stop_s)
        self._app = wrap_app(app, self._config.wsgi_max_body_size, "asgi")
        self._traffic = traffic
        self._stop_s = stop_s
        self._context = WorkerContext(None)
        self._connections: set[asyncio.Task[None]] = set()
        self._idle: dict[Connection, None] = {}

    async def run(
        self,
        listener: socket.socket,
        stop: asyncio.Event,
        ready: Callable[[], None],
        counts: Counts | None = None,
    ) -> None:
        """Serves until `stop` is set, then leaves in order: say so, stop accepting, finish, close.

        Args:
            listener: it stays open in the parent; who connects meanwhile waits there, or is
                served by another process.
            stop: set it to end.
            ready: is called once connections are accepted.
            counts: where others share the listener.
        """
        async with self._lifespan():
            acceptor = Acceptor(listener, counts or Counts.alone(), self._connected)
            ready()
            await stop.wait()
            self._traffic.leaving.set()
            if self._connections:
                await asyncio.wait(self._connections, timeout=NOTICE_S)
            acceptor.close()
            await self._quiet()
            await self._context.terminated.set()
            for connection in list(self._idle):
                connection.expire()
            await self._closed()

    async def _quiet(self) -> None:
        """Returns when nothing is under way, or has been for too long."""
        await asyncio.sleep(SETTLE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._stop_s):
                await self._traffic.quiet.wait()

    async def _closed(self) -> None:
        """Returns when all connections are closed, the last of them by force."""
        if self._connections:
            _, left = await asyncio.wait(self._connections, timeout=CLOSE_S)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=CLOSE_S)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not self._has_place():
            metrics.REFUSED.labels("connections").inc()
            writer.write(FULL)
            writer.close()
            return
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._connections.add(task)
        task.add_done_callback(self._left)
        metrics.CONNECTIONS.set(len(self._connections))
        loop = asyncio.get_running_loop()
        # Only `_closed` cancels it; asyncio would log that as an error.
        with contextlib.suppress(asyncio.CancelledError):
            connection = Connection(
                *(self._app, loop, self._config, self._context, {}, reader, writer),
                idle=self._idle,
            )
            await connection

    def _has_place(self) -> bool:
        """Whether one more may come; where all places are taken, one that is idle makes way.

        Otherwise whoever opens that many connections, and keeps them, shuts everybody else out.
        """
        over = len(self._connections) - self._traffic.most_requests
        if over >= 0 and over < CLOSING and self._idle:
            next(iter(self._idle)).make_way()
            return True
        return over < 0

    def _left(self, task: "asyncio.Task[None]") -> None:
        self._connections.discard(task)
        metrics.CONNECTIONS.set(len(self._connections))

    @contextlib.asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        """The app's start and end."""
        lifespan = Lifespan(self._app, self._config, asyncio.get_running_loop(), {})
        task = asyncio.create_task(lifespan.handle_lifespan())
        await lifespan.wait_for_startup()
        if task.done():
            task.result()
        try:
            yield
        finally:
            await lifespan.wait_for_shutdown()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
