"""A whole Pictor of the bench's own: free ports, a folder that goes with it, a server that can be asked all."""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from bench.server import Server
from common import __main__ as start
from common.errors import StartError
from common.settings import Settings

START_S: Final = 120.0  # converting a model included
STOP_S: Final = 60.0


@dataclass(frozen=True)
class System:
    """What runs.

    Attributes:
        pid: of the process that started the rest, the server excepted.
    """

    settings: Settings
    server: Server
    pid: int

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return f"http://127.0.0.1:{self.settings.port}"


@contextlib.asynccontextmanager
async def system(given: Settings) -> AsyncIterator[System]:
    """Starts a Pictor with these settings, but for ports, folder and server; it ends with the context.

    A model that was converted under PICTOR_DATA_DIR is used.

    Raises:
        StartError: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="pictor-bench-") as name:
        folder = Path(name)
        models = given.data_path / "models"
        if models.is_dir():
            shutil.copytree(models, folder / "models")
        server = Server(folder, "everysec")
        settings = msgspec.structs.replace(
            given,
            host="127.0.0.1",
            port=free_port(),
            worker_metrics_port=free_port(),
            data_dir=name,
            redis_url=server.url,
        )
        await server.start()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "common"),
            env={**os.environ, **settings.environment()},
        )
        try:
            await _ready(settings, process)
            yield System(settings, server, process.pid)
        finally:
            if process.returncode is None:
                process.terminate()
                await asyncio.wait_for(process.wait(), STOP_S)
            await server.stop()


async def _ready(settings: Settings, process: asyncio.subprocess.Process) -> None:
    ended = asyncio.create_task(process.wait())
    ready = asyncio.create_task(start.answers_yes(settings))
    try:
        async with asyncio.timeout(START_S):
            await asyncio.wait({ended, ready}, return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        raise StartError(f"Pictor was not ready within {START_S:g} s") from None
    finally:
        ended.cancel()
        ready.cancel()
    if process.returncode is not None:
        raise StartError(f"Pictor ended with status {process.returncode}")


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
