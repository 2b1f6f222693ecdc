"""``python -m common``, which is ``make run``: embedded server, inference, gateway, until Ctrl-C.

This process only starts, watches and stops; it imports neither part.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import IO, Final

import msgspec

from common import connections, embedded, logs, process
from common.errors import StartError
from common.listening import address, listen
from common.settings import MEGABYTE, Settings
from common.supervisor import Child, ChildFailed, Supervisor

LEAST_DISK_BYTES: Final = 200 * MEGABYTE
PROBE_S: Final = 0.05
# Where to ask a gateway that listens everywhere.
ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
REDIS_PATIENCE_S: Final = 3.0
RENEWED: Final = ("inference", "gateway")


def say(text: str) -> None:
    print(text, flush=True)


def lock(data_path: Path) -> IO[str]:
    """Takes the data folder for this process alone; the lock ends with the process.

    Raises:
        StartError: it cannot be written, is nearly full, or another Pictor uses it.
    """
    with contextlib.ExitStack() as undo:
        try:
            data_path.mkdir(parents=True, exist_ok=True)
            handle = undo.enter_context((data_path / "lock").open("a"))
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(
                f"another Pictor is running in {data_path}; stop it, or set PICTOR_DATA_DIR"
            ) from None
        except OSError as error:
            raise StartError(
                f"PICTOR_DATA_DIR {data_path} cannot be used: {error.strerror}"
            ) from None
        if (free := shutil.disk_usage(data_path).free) < LEAST_DISK_BYTES:
            raise StartError(
                f"PICTOR_DATA_DIR {data_path} has {free // MEGABYTE} MB left; "
                f"{LEAST_DISK_BYTES // MEGABYTE} MB are needed"
            )
        handle.truncate(0)
        handle.write(str(os.getpid()))  # for `common.renew`
        handle.flush()
        undo.pop_all()  # from here on it is the caller's
    return handle


async def answers_yes(settings: Settings) -> None:
    """Returns once ``/readyz`` says 200."""
    host = ANYWHERE.get(settings.host, settings.host)
    request = (
        f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    )
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, settings.port)
            writer.write(request)
            status = await reader.readline()
            writer.close()
            if b" 200 " in status:
                return
        except OSError:  # not listening yet; that is what we wait for
            pass
        await asyncio.sleep(PROBE_S)


def parts(
    settings: Settings, listener: socket.socket, own_server: Child | None
) -> list[Child]:
    """What to start, in order."""
    python = (sys.executable, "-m")
    children = [own_server] if own_server is not None else []
    return [
        *children,
        Child(
            "inference",
            (*python, "inference"),
            settings.environment(),
            stop_s=settings.stop_s + 5,
        ),
        Child(
            "gateway",
            (*python, "gateway", "--descriptor", str(listener.fileno())),
            settings.environment(),
            stop_s=settings.stop_s + 5,
            descriptors=(listener.fileno(),),
        ),
    ]


def embedded_server(settings: Settings) -> tuple[Settings, Child]:
    """The embedded server as a child, and the settings that point at it."""
    embedded.prepare(settings)
    path = embedded.socket_path(settings.data_path)
    url = embedded.url(path)

    async def probe() -> None:
        await connections.check(url, patience_s=60)

    child = Child("redis", embedded.command(settings, path), probe=probe)
    return msgspec.structs.replace(settings, redis_url=url), child


async def serve(
    settings: Settings, listener: socket.socket, stop: asyncio.Event
) -> None:
    """Starts the parts, says when they are ready, and waits for `stop`."""
    started = time.monotonic()
    own_server = None
    if settings.redis_url:
        await connections.check(settings.redis_url, REDIS_PATIENCE_S)
    else:
        settings, own_server = embedded_server(settings)
    supervisor = Supervisor()
    # Workers and gateways are renewed by their parents, each for its own; server and port stay.
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGUSR1, supervisor.signal_to, RENEWED, signal.SIGUSR1
    )
    try:
        if await process.before(
            stop, start_all(supervisor, parts(settings, listener, own_server))
        ):
            await process.before(stop, answers_yes(settings))
        if not stop.is_set():
            seconds = time.monotonic() - started
            where = f"http://{address(settings)}"
            say(f"Pictor is ready after {seconds:.1f} s: {where}  (Ctrl-C ends it)")
        await stop.wait()
        say("stopping ...")
    finally:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, supervisor.kill)
        await supervisor.stop()


async def start_all(supervisor: Supervisor, children: list[Child]) -> None:
    for child in children:
        say(f"starting {child.name} ...")
        await supervisor.start(child)


async def main() -> int:
    """Runs until SIGINT or SIGTERM, also in the middle of starting."""
    settings = Settings.load()
    logs.set_up("pictor", settings.log_level)
    stop = process.stop_event()
    # From the lock on `common.renew` may ask; until there is something to renew, it is not heard.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    with lock(settings.data_path), listen(settings) as listener:
        try:
            await serve(settings, listener, stop)
        except ChildFailed as error:
            if not error.told:
                raise
            return process.EXIT_CANNOT_START
    return 0


if __name__ == "__main__":
    sys.exit(process.run(main))
