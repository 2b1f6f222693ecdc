"""Connections to this gateway process, of those that come to the socket which all of them share.

There is one listening socket, and whoever looks first gets what waits there: of a burst, one process would
take nearly all, and with kept-alive connections that stays so. So each process tells the others how many
it has, and one that is ahead leaves new ones to them for a moment. It does not trust that they are there:
after PATIENCE_S it takes some itself. A process that has died or hangs thus keeps nobody waiting, which is
why each has no socket of its own (SO_REUSEPORT): the kernel would go on to give it its share, and would
let a second Pictor listen on the same port unnoticed. `gateway.server` serves what is accepted here.
"""

import asyncio
import errno
import mmap
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self

from common import logs

LEAD: Final = (
    4  # connections that a process may have more than another, and takes at once
)
AT_ONCE: Final = 64  # connections in one turn of the loop; others go on in between
PATIENCE_S: Final = 0.002  # for others to take what waits: some turns of an idle loop
CELL: Final = "I"
CELL_BYTES: Final = 4
# Descriptors or memory have run out; the rest of `accept`'s errors are the one connection's own.
EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
EXHAUSTED_S: Final = 1.0

Connected = Callable[
    [asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]
]

log = logs.get(__name__)


class Counts:
    """How many connections each gateway process has, in memory that all of them map.

    Each writes its own cell. One that has died leaves its last count behind; that is wrong, and costs
    the others PATIENCE_S where it is low.
    """

    def __init__(self, cells: "memoryview[int]", number: int) -> None:
        self._cells = cells
        self._number = number
        self.own = 0
        self.tell()

    @classmethod
    def alone(cls) -> Self:
        """For a process that shares its socket with nobody."""
        return cls(memoryview(bytearray(CELL_BYTES)).cast(CELL), 0)

    @classmethod
    def mapped(cls, descriptor: int, number: int) -> Self:
        """From a file of CELL_BYTES a process.

        Args:
            descriptor: of the file.
            number: of this process, from 0.
        """
        return cls(memoryview(mmap.mmap(descriptor, 0)).cast(CELL), number)

    def tell(self) -> None:
        """Writes down how many this process has."""
        self._cells[self._number] = self.own

    @property
    def ahead(self) -> bool:
        """Whether another has so many fewer that the next one should be its."""
        others = (n for at, n in enumerate(self._cells) if at != self._number)
        return self.own >= min(others, default=self.own) + LEAD


class Acceptor:
    """Accepts until it is closed."""

    def __init__(
        self, listener: socket.socket, counts: Counts, connected: Connected
    ) -> None:
        self._listener = listener
        self._counts = counts
        self._connected = connected
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False
        listener.setblocking(False)
        self._loop.add_reader(listener, self._readable)

    def close(self) -> None:
        """Accepts no more; what was accepted goes on."""
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._listener)

    def _readable(self, least: int = 0) -> None:
        """Takes what waits while this process is not ahead, and in any case `least` of it."""
        for taken in range(AT_ONCE):
            if taken >= least and self._counts.ahead:
                self._pause(PATIENCE_S)
                return
            try:
                accepted, _ = self._listener.accept()
            except BlockingIOError:  # nobody is left
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    continue  # it has gone again
                log.error("no connection can be accepted", reason=error.strerror)
                self._pause(EXHAUSTED_S)
                return
            self._came(accepted)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._later = self._loop.call_later(seconds, self._again)

    def _again(self) -> None:
        self._later = None
        self._loop.add_reader(self._listener, self._readable)
        self._readable(LEAD)

    def _came(self, accepted: socket.socket) -> None:
        self._count(1)
        task = self._loop.create_task(self._open(accepted))
        self._opening.add(task)  # the loop keeps only weak references
        task.add_done_callback(self._opening.discard)

    async def _open(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, accepted)
        except OSError:  # it has gone meanwhile
            accepted.close()
            self._count(-1)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = asyncio.StreamReader(loop=self._loop)
        return asyncio.StreamReaderProtocol(reader, self._serve, self._loop)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await self._connected(reader, writer)
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        self._counts.own += more
        if not self._closed:  # the cell is its successor's
            self._counts.tell()
