"""One child process, kept running: started again when it ends unasked, stopped within a bounded wait.

`common.supervisor` puts several in order. A child says over a pipe how far it is
(`common.process.Reporter`): "ready" lets the next one start, and "worked" ends the backoff between
its restarts.
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from common import logs
from common.errors import StartError
from common.parent import PARENT_VARIABLE
from common.process import EXIT_CANNOT_START, NOTIFY_VARIABLE, READY, WORKED

FIRST_BACKOFF_S: Final = 0.1
LONGEST_BACKOFF_S: Final = 2.0
LATELY_S: Final = 60.0
CRASH_LOOP: Final = 3  # deaths within LATELY_S

log = logs.get(__name__)


@dataclass(frozen=True)
class Child:
    """A process to keep running.

    Attributes:
        name: for messages.
        argv: its command line.
        environment: variables beside this process's own.
        probe: for a child that cannot report: returns once it is ready.
        stop_s: seconds between SIGTERM and SIGKILL.
        descriptors: file descriptors it inherits.
        ended: is called with each end of a process of its.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    probe: Callable[[], Awaitable[None]] | None = None
    stop_s: float = 10.0
    descriptors: tuple[int, ...] = ()
    ended: Callable[["End"], None] | None = None


@dataclass(frozen=True)
class End:
    """One process of a child has ended.

    Attributes:
        child: its name.
        pid: of the process.
        status: as `subprocess` has it, negative for a signal; None where it was asked to end.
        lately: how many ended unasked within the last LATELY_S, this one included.
    """

    child: str
    pid: int
    status: int | None
    lately: int = 0

    @property
    def keeps_dying(self) -> bool:
        """Whether this is a crash loop: something is wrong that a restart does not mend."""
        return self.lately >= CRASH_LOOP


class ChildFailed(StartError):
    """A child ended before it was ready.

    Attributes:
        told: the child has printed its reason itself.
    """

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"{name} could not start (exit status {status})")
        self.told = status == EXIT_CANNOT_START


class Kept:
    """One child and the task that keeps it running."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._stopping = False
        self._backoff_s = 0.0
        self._deaths: deque[float] = deque()

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else None

    @property
    def ready(self) -> bool:
        """Whether its process has said so; one started again says it anew."""
        return self._ready.is_set() and self.pid is not None

    async def start(self) -> None:
        await self._spawn()
        assert self._process is not None
        ended = asyncio.create_task(self._process.wait())
        ready = asyncio.create_task(self._ready.wait())
        waiting = {ended, ready, *((self._probing,) if self._probing else ())}
        try:
            while not ready.done():
                done, waiting = await asyncio.wait(
                    waiting, return_when=asyncio.FIRST_COMPLETED
                )
                if ended in done and not ready.done():
                    raise ChildFailed(self.child.name, ended.result())
                for probed in done & {self._probing}:
                    probed.result()
        finally:
            ended.cancel()
            ready.cancel()
        self._keeper = asyncio.create_task(self._keep())

    async def _probe(self, probe: Callable[[], Awaitable[None]]) -> None:
        await probe()
        self._heard(READY + WORKED)

    async def _spawn(self) -> None:
        self._ready.clear()
        reading, writing = os.pipe()
        environment = {**os.environ, **self.child.environment}
        environment[NOTIFY_VARIABLE] = str(writing)
        environment[PARENT_VARIABLE] = str(os.getpid())
        try:
            # Its own session: a Ctrl-C at the terminal is this process's to pass on, in order.
            self._process = await asyncio.create_subprocess_exec(
                *self.child.argv,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(writing, *self.child.descriptors),
                start_new_session=True,
            )
        except BaseException as error:  # a stop in its midst as well
            os.close(reading)
            if not isinstance(error, OSError):
                raise
            raise StartError(f"{self.child.name} cannot be started: {error}") from error
        finally:
            os.close(writing)
        loop = asyncio.get_running_loop()
        loop.add_reader(reading, self._read, reading)
        if self._probing is not None:
            self._probing.cancel()
        if self.child.probe is not None:
            self._probing = asyncio.create_task(self._probe(self.child.probe))
            self._probing.add_done_callback(_retrieve)

    def _read(self, descriptor: int) -> None:
        said = os.read(descriptor, 16)
        if said:
            self._heard(said)
        else:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    def _heard(self, said: bytes) -> None:
        if READY in said:
            self._ready.set()
        if WORKED in said:
            self._backoff_s = 0.0

    async def _keep(self) -> None:
        while True:
            assert self._process is not None
            status = await self._process.wait()
            asked = self._stopping
            end = End(
                self.child.name,
                self._process.pid,
                None if asked else status,
                0 if asked else self._died(),
            )
            if self.child.ended is not None:
                self.child.ended(end)
            if asked:
                return
            (log.error if end.keeps_dying else log.warning)(
                "child keeps dying" if end.keeps_dying else "child ended",
                child=end.child,
                status=status,
                within_a_minute=end.lately,
                again_in_s=self._backoff_s,
            )
            await asyncio.sleep(self._backoff_s)
            if self._stopping:
                return
            await self._again()

    def _died(self) -> int:
        """Notes a death, and says how many there were lately."""
        now = asyncio.get_running_loop().time()
        self._deaths.append(now)
        while self._deaths[0] < now - LATELY_S:
            self._deaths.popleft()
        return len(self._deaths)

    async def _again(self) -> None:
        self._backoff_s = min(
            max(FIRST_BACKOFF_S, 2 * self._backoff_s), LONGEST_BACKOFF_S
        )
        try:
            await self._spawn()
        except StartError as error:
            log.error(
                "child cannot be started", child=self.child.name, reason=str(error)
            )
            self._backoff_s = LONGEST_BACKOFF_S

    def signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        self._stopping = True
        self.signal(signal.SIGKILL)

    async def stop(self) -> None:
        self._stopping = True
        try:
            if self._process is None:
                return
            self.signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), self.child.stop_s)
            except TimeoutError:
                log.warning("child did not stop in time", child=self.child.name)
                self.signal(signal.SIGKILL)
                await self._process.wait()
        finally:
            tasks = [task for task in (self._keeper, self._probing) if task is not None]
            for task in tasks:
                task.cancel()
            # One that was starting a process ends it first: nothing outlives this.
            await asyncio.gather(*tasks, return_exceptions=True)


def _retrieve(task: "asyncio.Task[None]") -> None:
    """A probe that gives up is not the end: the child goes on, or dies and is started again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("a child does not become ready", reason=str(error))
