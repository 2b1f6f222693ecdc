"""What a supervised process does for itself: report, hear signals, fail with one line.

The other side is `common.supervisor`.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

from common import logs
from common.errors import StartError

EXIT_CANNOT_START: Final = 2
NOTIFY_VARIABLE: Final = "SUPERVISOR_NOTIFY_FD"
READY: Final = b"r"  # it can do its work
WORKED: Final = b"w"  # it has done some

log = logs.get(__name__)


class Reporter:
    """Tells the supervisor how far this process is; silent where there is none."""

    def __init__(self) -> None:
        text = os.environ.pop(NOTIFY_VARIABLE, None)
        self._fd = int(text) if text else None
        if self._fd is not None:
            os.set_inheritable(self._fd, False)
        self._said: set[bytes] = set()

    def ready(self) -> None:
        """This process can do its work."""
        self._say(READY)

    def worked(self) -> None:
        """This process has done some of its work, so its next restart need not wait."""
        self._say(WORKED)

    def _say(self, word: bytes) -> None:
        if self._fd is None or word in self._said:
            return
        self._said.add(word)
        try:
            os.write(self._fd, word)
        except (
            BrokenPipeError
        ):  # the supervisor has gone, and soon so will this process
            self._fd = None


def stop_event() -> asyncio.Event:
    """An event that SIGINT or SIGTERM sets; for the loop that is running."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    return event


def on_renew(renew: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Has SIGUSR1 renew what this process keeps running, one renewal at a time."""
    running: set[asyncio.Task[None]] = set()

    async def once() -> None:
        try:
            await renew()
            log.info("renewed")
        except StartError as error:
            log.error("not renewed; the old processes go on", reason=str(error))

    def start() -> None:
        if not running:
            task = asyncio.create_task(once())
            running.add(task)
            task.add_done_callback(running.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, start)


def essential(task: "asyncio.Task[None]") -> None:
    """Ends this process in order if a task that must never end does; another takes its place."""

    def ended(done: "asyncio.Task[None]") -> None:
        if not done.cancelled():
            log.error("a task that must not end has ended", exc_info=done.exception())
            os.kill(os.getpid(), signal.SIGTERM)

    task.add_done_callback(ended)


def settle() -> None:
    """Call it once all is loaded: the garbage collector leaves alone what is there by now."""
    gc.collect()
    gc.freeze()


async def before(stop: asyncio.Event, work: Coroutine[Any, Any, Any]) -> bool:
    """Runs `work` unless `stop` is set first, which cancels it; says whether it was done."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        working.result()
        return True
    working.cancel()
    await asyncio.wait({working})
    return False


def run(main: Callable[[], Coroutine[Any, Any, int]], *, fast: bool = False) -> int:
    """Runs a process's main coroutine and returns its exit status.

    A StartError becomes one line on standard error. ``fast`` runs on uvloop.
    """
    try:
        if fast and sys.platform != "win32":
            import uvloop

            return uvloop.run(main())
        return asyncio.run(main())
    except KeyboardInterrupt:  # before there was a handler for it
        return 128 + signal.SIGINT
    except StartError as error:
        print(f"pictor: {error}", file=sys.stderr, flush=True)
        return EXIT_CANNOT_START
