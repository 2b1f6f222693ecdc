"""``python -m gateway``: the parent of the gateway processes, which share one listening socket.

``python -m gateway serve`` is one of them, under Hypercorn.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import socket
import sys
import tempfile
from typing import Final

import msgspec

from common import checks, connections, logs, process
from common.deaths import Deaths
from common.errors import StartError
from common.listening import listen
from common.parent import end_with_parent
from common.process import Reporter
from common.settings import Settings
from common.supervisor import Child, ChildFailed, Supervisor
from gateway import api_keys
from gateway.accepting import CELL_BYTES, Counts

REDIS_PATIENCE_S: Final = 10.0
OTHER_DESCRIPTORS: Final = 128  # beside those of clients

log = logs.get(__name__)


async def parent(settings: Settings, descriptor: int | None) -> int:
    """Keeps the gateway processes running until SIGINT or SIGTERM."""
    reporter = Reporter()
    logs.set_up("gateway", settings.log_level)
    stop = process.stop_event()
    if not settings.redis_url:
        raise StartError(
            "PICTOR_REDIS_URL is empty; only 'make run' starts a server of its own"
        )
    if settings.api_keys_path is not None:  # said here, not by each process
        api_keys.read(settings.api_keys_path)
    supervisor = Supervisor()
    process.on_renew(supervisor.renew)
    with contextlib.ExitStack() as cleanup:
        listener = cleanup.enter_context(_listener(settings, descriptor))
        await connections.check(settings.redis_url, REDIS_PATIENCE_S)
        await checks.check(settings)
        if settings.unguarded:
            log.warning(
                "everybody who reaches this host can use Pictor", host=settings.host
            )
        folder = cleanup.enter_context(
            tempfile.TemporaryDirectory(prefix="pictor-metrics-")
        )
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            counts = cleanup.enter_context(tempfile.TemporaryFile())
            counts.truncate(CELL_BYTES * settings.gateways)
            shared = (listener.fileno(), counts.fileno())
            await process.before(stop, _start(supervisor, settings, shared))
            if not stop.is_set():
                reporter.ready()
                reporter.worked()
            await stop.wait()
        except ChildFailed as error:
            if not error.told:
                raise
            return process.EXIT_CANNOT_START
        finally:
            await supervisor.stop_together()
    return 0


async def _start(
    supervisor: Supervisor, settings: Settings, shared: tuple[int, int]
) -> None:
    """Starts all processes at once; `shared` are descriptors, of the listener and of the counts."""
    deaths = Deaths()
    listener, counts = map(str, shared)
    arguments = ("gateway", "serve", "--descriptor", listener, "--counts", counts)
    await asyncio.gather(
        *(
            supervisor.start(
                Child(
                    f"gateway {number}",
                    (sys.executable, "-m", *arguments, "--number", str(number)),
                    settings.environment(),
                    stop_s=settings.stop_s + 4,
                    ended=deaths.ended,
                    descriptors=shared,
                )
            )
            for number in range(1, settings.gateways + 1)
        )
    )


def _listener(settings: Settings, descriptor: int | None) -> socket.socket:
    return listen(settings) if descriptor is None else socket.socket(fileno=descriptor)


async def serve(settings: Settings, descriptor: int, counts: Counts) -> int:
    """One gateway process: Hypercorn on the listening socket it inherited."""
    from gateway.app import create_app
    from gateway.server import Server
    from gateway.service import of

    reporter = Reporter()
    logs.set_up("gateway", settings.log_level)
    stop = process.stop_event()
    most = possible_connections(settings.max_connections)
    settings = msgspec.structs.replace(settings, max_connections=most)
    app = create_app(settings)

    def ready() -> None:
        process.settle()
        reporter.ready()
        reporter.worked()

    server = Server(app, of(app).traffic, stop_s=settings.deadline_s + 1)
    with socket.socket(fileno=descriptor) as listener:
        await server.run(listener, stop, ready, counts)
    return 0


def possible_connections(wanted: int) -> int:
    """How many connections this system lets a process have; raises the soft limit for them.

    Fewer than wanted are a warning and no reason not to start: beyond them, clients are told so.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and hard < needed:
        log.warning(
            "fewer connections than PICTOR_MAX_CONNECTIONS: raise the limit on open files (ulimit -n)",
            wanted=wanted,
            open_files=hard,
        )
        needed = hard
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return max(1, needed - OTHER_DESCRIPTORS)


def main() -> int:
    """One of the two, by the command line."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    parser.add_argument("part", nargs="?", choices=("serve",))
    parser.add_argument("--descriptor", type=int, help="an inherited listening socket")
    parser.add_argument("--counts", type=int, help="an inherited file")
    parser.add_argument("--number", type=int, help="of the process, from 1")
    arguments = parser.parse_args()
    end_with_parent()
    if arguments.part == "serve":
        counts = Counts.mapped(arguments.counts, arguments.number - 1)
        return process.run(
            lambda: serve(Settings.load(), arguments.descriptor, counts), fast=True
        )
    return process.run(lambda: parent(Settings.load(), arguments.descriptor))


if __name__ == "__main__":
    sys.exit(main())
