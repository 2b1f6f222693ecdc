"""A process of `client.collection.local`, as its parent has it."""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, Final, Self, cast

import msgspec

from client.errors import ClientError
from common.parent import PARENT_VARIABLE
from common.settings import Settings

if TYPE_CHECKING:
    from client.collection.local_process import Ready, Result

STOP_S: Final = 10.0
PIPE_BYTES: Final = 1 << 20  # what Linux gives anybody
DIED: Final = "a process that classifies has died"


class LocalError(ClientError):
    """The processes cannot be started, or keep dying; the message says why."""


class Child:
    """One process, and the batches it has; it answers them in their order.

    Attributes:
        ready: done when it can be asked; a LocalError where it never can.
        waiting: the batches it has.
        died: how, once it has.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.listening: asyncio.Task[None] | None = None
        self.waiting: deque[asyncio.Future[list[Result]]] = deque()
        self.ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self.died = ""

    @classmethod
    async def start(cls, settings: Settings, threads: int, top_k: int) -> Self:
        """Starts one; `ready` says when it can be asked.

        Args:
            settings: model, engine, data folder and bounds.
            threads: of its engine.
            top_k: how many predictions, at least 1.
        """
        from client.collection.local_process import Start, framed

        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "client.collection.local_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
            limit=1 << 20,
        )
        child = cls(process)
        child.listening = asyncio.create_task(child.listen())
        assert process.stdin is not None
        _widen(process.stdin.get_extra_info("pipe"))
        process.stdin.write(framed(Start(settings, threads, top_k)))
        return child

    async def listen(self) -> None:
        """Hands on what it says, until it ends."""
        from client.collection.local_process import Ready, Result, read

        assert self.process.stdout is not None
        results = msgspec.msgpack.Decoder(list[Result])
        if (message := await read(self.process.stdout)) is not None:
            ready = msgspec.msgpack.decode(message, type=Ready)
            if not self.ready.done():  # nobody waits any more
                self.ready.set_result(ready)
        while (message := await read(self.process.stdout)) is not None:
            answers = results.decode(message)
            future = self.waiting.popleft()
            if not future.done():
                future.set_result(answers)
        self.died = _death(await self.process.wait())
        futures: list[asyncio.Future[Any]] = [self.ready, *self.waiting]
        for future in futures:
            if not future.done():
                future.set_exception(LocalError(self.died))
                future.exception()  # who waited may be gone: of all one is told
        self.waiting.clear()

    def hang_up(self) -> None:
        """Has it end, once it has done what it has."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def gone(self) -> None:
        """Returns when it has ended; one that takes too long is killed."""
        try:
            async with asyncio.timeout(STOP_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        if self.listening is not None:
            await self.listening

    async def ask(self, pictures: Sequence[bytes]) -> "list[Result]":
        """What it makes of each of some pictures.

        Raises:
            LocalError: it has died, or dies meanwhile.
        """
        from client.collection.local_process import framed

        if self.died:
            raise LocalError(self.died)
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):  # `listen` tells why it has died
            self.process.stdin.write(framed(pictures))
            await self.process.stdin.drain()
        return cast("list[Result]", await future)


def _widen(pipe: IO[bytes]) -> None:
    """Has a pipe hold some pictures: one that holds less than one wakes both sides several times for it."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
        with contextlib.suppress(OSError):  # this user has had as much as may be
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _death(code: int) -> str:
    """How a process has ended, for people."""
    if code == -signal.SIGKILL:
        return f"{DIED}: it was killed, perhaps because memory was short"
    return (
        f"{DIED}: {signal.Signals(-code).name if code < 0 else f'exit status {code}'}"
    )
