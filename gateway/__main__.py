"""``python -m gateway``: the parent of the gateway processes, which share one listening socket.

``python -m gateway serve --descriptor N`` is one of them, under Hypercorn.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from typing import Final

from common import connections, logs, process
from common.errors import StartError
from common.listening import BACKLOG, listen
from common.parent import end_with_parent
from common.process import Reporter
from common.settings import Settings
from common.supervisor import Child, ChildFailed, Supervisor

REDIS_PATIENCE_S: Final = 10.0
KEEP_ALIVE_S: Final = 75.0

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
    supervisor = Supervisor()
    with contextlib.ExitStack() as cleanup:
        listener = cleanup.enter_context(_listener(settings, descriptor))
        await connections.check(settings.redis_url, REDIS_PATIENCE_S)
        if settings.open_to_others:
            log.warning(
                "everybody who reaches this host can use Pictor", host=settings.host
            )
        folder = cleanup.enter_context(
            tempfile.TemporaryDirectory(prefix="pictor-metrics-")
        )
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            await process.before(stop, _start(supervisor, settings, listener.fileno()))
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


async def _start(supervisor: Supervisor, settings: Settings, descriptor: int) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    arguments = ("gateway", "serve", "--descriptor", str(descriptor))
    await asyncio.gather(
        *(
            supervisor.start(
                Child(
                    f"gateway {number}",
                    (sys.executable, "-m", *arguments),
                    settings.environment(),
                    stop_s=settings.stop_s + 4,
                    ended=mark_process_dead,
                    descriptors=(descriptor,),
                )
            )
            for number in range(1, settings.gateways + 1)
        )
    )


def _listener(settings: Settings, descriptor: int | None) -> socket.socket:
    return listen(settings) if descriptor is None else socket.socket(fileno=descriptor)


async def serve(settings: Settings, descriptor: int) -> int:
    """One gateway process: Hypercorn on the listening socket it inherited."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    from gateway.app import create_app

    reporter = Reporter()
    logs.set_up("gateway", settings.log_level)
    stop = process.stop_event()
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.backlog = BACKLOG
    config.graceful_timeout = settings.deadline_s + 1
    config.shutdown_timeout = settings.deadline_s + 3
    config.read_timeout = None
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.include_server_header = False
    config.errorlog = None
    app = create_app(settings)

    async def ready() -> None:
        reporter.ready()
        reporter.worked()

    app.before_serving(ready)
    await hypercorn_serve(app, config, shutdown_trigger=stop.wait)
    return 0


def main() -> int:
    """One of the two, by the command line."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    parser.add_argument("part", nargs="?", choices=("serve",))
    parser.add_argument("--descriptor", type=int, help="an inherited listening socket")
    arguments = parser.parse_args()
    end_with_parent()
    if arguments.part == "serve":
        return process.run(
            lambda: serve(Settings.load(), arguments.descriptor), fast=True
        )
    return process.run(lambda: parent(Settings.load(), arguments.descriptor))


if __name__ == "__main__":
    sys.exit(main())
