"""Starts a peer, stops the world of it while others are measured, and ends it with all it started."""

import asyncio
import contextlib
import functools
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import psutil

from bench import pictures
from bench.clients import TOLERANCE, Expected
from bench.connection import Address, Connection, Reply
from bench.peers import best
from bench.peers.peer import Configuration, Peer
from bench.peers.work import READY
from bench.pictures import Picture
from bench.system import free_port
from bench.throughput import expected
from common.errors import StartError
from common.parent import PARENT_VARIABLE
from common.settings import Settings

START_S: Final = 90.0  # TensorFlow in several processes, on a busy machine
STOP_S: Final = 20.0
ASK_S: Final = 10.0  # for one answer
POLL_S: Final = 0.05
LAST_LINES: Final = 15


@dataclass(frozen=True)
class Server:
    """A peer that runs.

    Attributes:
        address: where it listens.
        folder: its own, with its `log`.
        pid: of the keeper, which is none of the peer's processes.
    """

    peer: Peer
    configuration: Configuration
    address: Address
    folder: Path
    pid: int

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self.folder / "server.log"

    def pids(self) -> list[int]:
        """All its processes; none once it has ended."""
        with contextlib.suppress(psutil.NoSuchProcess):
            keeper = psutil.Process(self.pid)
            return [one.pid for one in keeper.children(recursive=True)]
        return []

    def pause(self) -> None:
        """Stops all its processes; they take no processor time until `resume`."""
        stopped: set[int] = set()
        while new := set(self.pids()) - stopped:  # one may have started another
            _signal(new, signal.SIGSTOP)
            stopped |= new

    def resume(self) -> None:
        """Lets them go on."""
        _signal(self.pids(), signal.SIGCONT)

    def last_lines(self) -> str:
        """The end of what it wrote."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])


@contextlib.asynccontextmanager
async def running(
    peer: Peer, configuration: Configuration | None, settings: Settings
) -> AsyncIterator[Server]:
    """Starts a peer on a free port, in a folder of its own; it ends with the context.

    Args:
        peer: which.
        configuration: None: the best that the sweep has found.
        settings: for the model, and where it lies converted.

    Raises:
        StartError: the peer is not installed, or does not start, or answers wrong.
    """
    if configuration is None:
        configuration = best.configuration(peer)
    if not peer.interpreter.exists():
        raise StartError(f"{peer.interpreter} is missing: make setup-peers")
    right = _right(msgspec.structs.replace(settings, engine="litert"))
    with tempfile.TemporaryDirectory(prefix="peer-", dir="/tmp") as name:
        folder, port = Path(name), free_port()
        command = (sys.executable, "-m", "bench.peers.keeper")
        with (folder / "server.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                *peer.command(configuration, port, settings),
                cwd=folder,
                env={
                    **peer.environment(configuration, port, settings, folder),
                    PARENT_VARIABLE: str(os.getpid()),
                },
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to hear
            )
        server = Server(
            peer, configuration, Address("127.0.0.1", port), folder, process.pid
        )
        try:
            await _ready(server, process, right)
            yield server
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), STOP_S)


async def _ready(
    server: Server, process: asyncio.subprocess.Process, right: Expected
) -> None:
    """Waits until every engine is warm and the server answers right.

    Raises:
        StartError: it ended before, or was not ready in time, or its answer is wrong.
    """
    ended = asyncio.create_task(process.wait())
    ready = asyncio.create_task(_answers(server, right))
    try:
        async with asyncio.timeout(START_S):
            await asyncio.wait({ended, ready}, return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        raise StartError(
            f"{server.peer.name} was not ready within {START_S:g} s:\n{server.last_lines()}"
        ) from None
    finally:
        ended.cancel()
        ready.cancel()
    if ready.done() and not ready.cancelled():
        ready.result()
        return
    raise StartError(
        f"{server.peer.name} ended with status {process.returncode}:\n{server.last_lines()}"
    )


async def _answers(server: Server, right: Expected) -> None:
    """Returns once it does; raises a StartError if it answers something else."""
    while (  # noqa: ASYNC110 - another process sets no event
        body := await _first_answer(server, right.picture)
    ) is None:
        await asyncio.sleep(POLL_S)
    try:
        said = server.peer.answer(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise StartError(f"{server.peer.name} says {body[:100]!r}") from None
    if said.prediction != right.label or abs(said.score - right.score) > TOLERANCE:
        raise StartError(
            f"{server.peer.name} says {said.prediction} {said.score:.4f}, "
            f"not {right.label} {right.score:.4f}"
        )


async def _first_answer(server: Server, picture: Picture) -> bytes | None:
    """Nothing before all engines are warm, or while it refuses."""
    warm = sum(1 for _ in (server.folder / READY).glob("*"))
    if warm < server.configuration.processes:
        return None
    try:
        reply = await ask(server, picture)
    except (OSError, TimeoutError):
        return None
    return reply.body if reply.status == 200 else None


async def ask(server: Server, picture: Picture) -> Reply:
    """Sends one picture on a connection of its own.

    Raises:
        OSError: nobody listens, or the connection was closed.
        TimeoutError: there was no answer within ASK_S.
    """
    connection = Connection(server.address)
    post = server.peer.post(server.address, picture.media_type)
    try:
        async with asyncio.timeout(ASK_S):
            return await connection.send(*post.parts(picture.data))
    finally:
        connection.close()


@functools.cache
def _right(settings: Settings) -> Expected:
    """A picture and its answer, computed in this process."""
    return expected(settings, pictures.samples()[:1])[0]


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
