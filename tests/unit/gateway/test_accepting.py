"""Gateway processes share connections out: of a burst, each gets about as many."""

import asyncio
import contextlib
import errno
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from typing import ClassVar

import pytest

from gateway import accepting
from gateway.accepting import AT_ONCE, CELL_BYTES, LEAD, Acceptor, Counts

WITHIN_S = 5
BURST = 64
PROCESSES = 4


class Process:
    """As one gateway process accepts and serves."""

    def __init__(self, listener: socket.socket, counts: Counts) -> None:
        self.counts = counts
        self.served = 0
        self.acceptor = Acceptor(listener, counts, self._connected)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.served += 1
        with contextlib.closing(writer):
            await reader.read()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as made:
        yield made


@pytest.fixture
def cells() -> Iterator[int]:
    """A file for all processes."""
    with tempfile.TemporaryFile() as file:
        file.truncate(PROCESSES * CELL_BYTES)
        yield file.fileno()


@contextlib.asynccontextmanager
async def burst(listener: socket.socket) -> AsyncIterator[list[socket.socket]]:
    """So many connections at once, all waiting before anybody looks."""
    with contextlib.ExitStack() as stack:
        made = [socket.create_connection(listener.getsockname()) for _ in range(BURST)]
        for one in made:
            stack.enter_context(one)
        yield made
    await asyncio.sleep(0)


async def until(processes: list[Process], connections: int) -> None:
    """Returns once they hold so many between them."""
    async with asyncio.timeout(WITHIN_S):
        while sum(one.counts.own for one in processes) != connections:
            await asyncio.sleep(0.001)


async def test_a_burst_is_shared_out(listener: socket.socket, cells: int) -> None:
    """They also count down again when their clients leave."""
    async with burst(listener):
        with contextlib.ExitStack() as stack:
            processes = []
            for number in range(PROCESSES):
                own = stack.enter_context(listener.dup())
                processes.append(Process(own, Counts.mapped(cells, number)))
                stack.callback(processes[-1].acceptor.close)
            await until(processes, BURST)
        held = [one.counts.own for one in processes]
        assert max(held) - min(held) <= 2 * LEAD
    await until(processes, 0)


async def test_nobody_waits_for_a_process_that_has_gone(
    listener: socket.socket, cells: int
) -> None:
    """Three others have fewer connections and accept none: one takes all, in a moment."""
    async with burst(listener):
        process = Process(listener, Counts.mapped(cells, 0))
        await until([process], BURST)
        process.acceptor.close()
    await until([process], 0)


async def test_alone_a_process_takes_all_at_once(listener: socket.socket) -> None:
    async with burst(listener):
        process = Process(listener, Counts.alone())
        process.acceptor._readable()
        assert process.counts.own == min(BURST, AT_ONCE)
        process.acceptor.close()
    await until([process], 0)


async def test_one_that_leaves_takes_no_more_and_its_cell_is_its_successors(
    listener: socket.socket, cells: int
) -> None:
    own = socket.create_connection(listener.getsockname())
    old = Process(listener, Counts.mapped(cells, 0))
    await until([old], 1)
    old.acceptor.close()
    fresh = Process(listener, Counts.mapped(cells, 0))
    with socket.create_connection(listener.getsockname()):
        await until([fresh], 1)
        assert old.counts.own == 1
        own.close()
        await until([old], 0)
        assert Counts.mapped(cells, 1)._cells[0] == 1
    await until([fresh], 0)
    fresh.acceptor.close()


async def test_without_descriptors_it_waits_and_goes_on(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Exhausted:
        """A listener whose process has no descriptor left, once."""

        left = 1
        asked: ClassVar[list[float]] = []

        def __getattr__(self, name: str) -> object:
            return getattr(listener, name)

        def accept(self) -> tuple[socket.socket, object]:
            self.asked.append(time.monotonic())
            if self.left:
                self.left -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return listener.accept()

    monkeypatch.setattr(accepting, "EXHAUSTED_S", 0.2)
    async with burst(listener):
        process = Process(Exhausted(), Counts.alone())  # type: ignore[arg-type]
        await until([process], BURST)
        assert Exhausted.asked[1] - Exhausted.asked[0] > 0.1
        process.acceptor.close()
    await until([process], 0)
