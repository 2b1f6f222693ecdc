"""Pictures to processes of this one's own, one a core: no server, no Redis."""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, Self

import msgspec

from client.collection.answering import Ended, Failed, Picture
from client.collection.local_model import NOT_INSTALLED
from client.collection.records import Content
from client.errors import ClientError
from client.many import outcomes
from common import formats
from common.errors import StartError, from_code
from common.parent import PARENT_VARIABLE
from common.settings import Settings

if TYPE_CHECKING:
    from client.collection.local_process import Ready, Result

IN_HAND: Final = (
    24  # pictures a process: one batch with the engine, one decoded, one on its way
)
PIPE_BYTES: Final = 1 << 20  # what Linux gives anybody
START_S: Final = 120.0  # on a busy machine
STOP_S: Final = 10.0
DIED: Final = "a process that classifies has died"


class LocalError(ClientError):
    """The processes cannot be started, or keep dying; the message says why."""


class _Child:
    """One process, and the pictures it has."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.waiting: dict[int, asyncio.Future[Result]] = {}
        self.ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self.listening: asyncio.Task[None] | None = None
        self.died = ""  # how, once it has

    async def listen(self) -> None:
        """Hands on what it says, until it ends."""
        from client.collection.local_process import Ready, Result, read

        assert self.process.stdout is not None
        results = msgspec.msgpack.Decoder(Result)
        if (message := await read(self.process.stdout)) is not None:
            ready = msgspec.msgpack.decode(message, type=Ready)
            if not self.ready.done():  # nobody waits any more
                self.ready.set_result(ready)
        while (message := await read(self.process.stdout)) is not None:
            result = results.decode(message)
            future = self.waiting.pop(result.number)
            if not future.done():
                future.set_result(result)
        self.died = _death(await self.process.wait())
        futures: list[asyncio.Future[Any]] = [self.ready, *self.waiting.values()]
        for future in futures:
            if not future.done():
                future.set_exception(LocalError(self.died))
                future.exception()  # who waited may be gone: of all one is told
        self.waiting.clear()

    async def ask(self, number: int, data: bytes) -> "Result":
        """What it makes of a picture.

        Raises:
            LocalError: it has died, or dies meanwhile.
        """
        from client.collection.local_process import Task, framed

        if self.died:
            raise LocalError(self.died)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.waiting[number] = future
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):  # `listen` tells why it has died
            self.process.stdin.write(framed(Task(number, data)))
            await self.process.stdin.drain()
        return await future


class Local:
    """An `Answerer`: processes laid out as this machine was calibrated, or one a core.

    Attributes:
        model: its name.
        model_digest: known once it has been entered.
        trouble: never any; what goes wrong ends it.
    """

    trouble = ""

    def __init__(self, settings: Settings, *, top_k: int) -> None:
        """Nothing is started yet.

        Args:
            settings: model, engine, data folder and bounds.
            top_k: how many predictions, at least 1.
        """
        self._settings, self._top_k = settings, top_k
        self._children: list[_Child] = []
        self.model = self.model_digest = ""

    async def __aenter__(self) -> Self:
        """Prepares the model if need be, and returns when all processes are warm.

        Raises:
            StartError: the model cannot be had; the message says what to do.
            LocalError: a process did not come up.
        """
        try:
            settings, processes, threads = await asyncio.to_thread(
                _prepared, self._settings
            )
            for _ in range(processes):
                self._children.append(await self._start(settings, threads))
            async with asyncio.timeout(START_S):
                said = [await child.ready for child in self._children]
        except BaseException as error:
            await self.__aexit__(None, None, None)
            if isinstance(error, TimeoutError):
                raise LocalError(f"no process is ready after {START_S:g} s") from error
            raise
        self.model, self.model_digest = said[0].model, said[0].model_digest
        return self

    async def _start(self, settings: Settings, threads: int) -> _Child:
        from client.collection.local_process import Start, framed

        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "client.collection.local_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
            limit=1 << 20,
        )
        child = _Child(process)
        child.listening = asyncio.create_task(child.listen())
        assert process.stdin is not None
        _widen(process.stdin.get_extra_info("pipe"))
        process.stdin.write(framed(Start(settings, threads, self._top_k)))
        return child

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the processes; what they still have is not waited for."""
        for child in self._children:
            assert child.process.stdin is not None
            child.process.stdin.close()
        for child in self._children:
            try:
                async with asyncio.timeout(STOP_S):
                    await child.process.wait()
            except TimeoutError:
                child.process.kill()
                await child.process.wait()
            if child.listening is not None:
                await child.listening
        self._children.clear()

    async def classify(
        self, pictures: AsyncIterable[Picture]
    ) -> AsyncGenerator[Ended, None]:
        """As `Answerer.classify`; raises LocalError where a process dies."""
        at_once = IN_HAND * len(self._children)
        async with aclosing(outcomes(self._one, pictures, at_once)) as source:
            async for ended in source:
                yield ended

    async def _one(self, picture: Picture) -> Ended:
        if code := formats.refused(picture.data):  # as a gateway does
            return Ended(picture.number, picture.digest, _failed(code))
        child = min(self._children, key=lambda one: len(one.waiting))
        result = await child.ask(picture.number, picture.data)
        return Ended(picture.number, picture.digest, self._outcome(picture, result))

    def _outcome(self, picture: Picture, result: "Result") -> Content | Failed:
        if result.code:
            return _failed(result.code)
        return Content(
            digest=picture.digest,
            size=len(picture.data),
            predictions=result.predictions,
            model=self.model,
            model_digest=self.model_digest,
            ms=result.ms,
            looks=result.looks,
        )


def _widen(pipe: IO[bytes]) -> None:
    """Has a pipe hold some pictures: one that holds less than one wakes both sides several times for it."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
        with contextlib.suppress(OSError):  # this user has had as much as may be
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _failed(code: str) -> Failed:
    return Failed(code, from_code(code).detail)


def _death(code: int) -> str:
    """How a process has ended, for people."""
    if code == -signal.SIGKILL:
        return f"{DIED}: it was killed, perhaps because memory was short"
    return (
        f"{DIED}: {signal.Signals(-code).name if code < 0 else f'exit status {code}'}"
    )


def _prepared(settings: Settings) -> tuple[Settings, int, int]:
    """The settings of each process, how many there are, and their engines' threads.

    The model is converted first, if it was not yet; raises StartError where it cannot be had.
    """
    import subprocess

    try:
        from inference import layout
        from inference.engine import choose, gpu
        from inference.models import catalogue, conversion
    except ImportError as error:
        raise StartError(f"{NOT_INSTALLED} ({error})") from None

    spec = catalogue.resolve(settings.model, settings.data_path)
    kind = choose(settings.engine)
    if kind == "litert" and conversion.cached(spec, settings.data_path) is None:
        command = (sys.executable, "-m", "inference.prepare", settings.model)
        done = subprocess.run(
            (*command, str(settings.data_path)), check=False, stdout=sys.stderr
        )
        if done.returncode:
            raise StartError(f"{settings.model} could not be prepared")
    stored = layout.stored(
        *(settings.data_path, spec.digest, kind, settings.precision), gpu=gpu()
    )
    chosen = layout.chosen(settings, stored, gpu=gpu() and kind == "tensorflow")
    return layout.as_set(settings, chosen), chosen.shape.processes, chosen.shape.threads
