"""Gateways and a server of the bench's own, without workers: those are `bench.waiting`'s, as many as wanted."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import psutil

from bench import waiting
from bench.server import Server, info
from bench.system import free_port
from common import keys
from common.connections import Keeper
from common.settings import Settings
from common.supervisor import Child, Supervisor

SERVE: Final = (
    "serve"  # in the command line of a gateway process; its parent's has none
)
REWRITES: Final = {("aof_rewrite_in_progress", "1"), ("aof_rewrite_scheduled", "1")}
SETTLED_S: Final = 60.0  # a gigabyte takes some seconds
LOOK_S: Final = 0.05


@dataclass
class Stage:
    """What runs.

    Attributes:
        settings: of all its parts.
        metrics: the folder where workers count.
        workers: process ids, in the order of their start.
    """

    settings: Settings
    server: Server
    metrics: Path
    workers: list[int] = field(default_factory=list)
    _supervisor: Supervisor = field(default_factory=Supervisor)
    _troupes: contextlib.AsyncExitStack = field(
        default_factory=contextlib.AsyncExitStack
    )

    @property
    def url(self) -> str:
        """Where the gateways listen."""
        return f"http://127.0.0.1:{self.settings.port}"

    async def add_workers(self, count: int, fixed_ms: float, image_ms: float) -> None:
        """Starts so many more; raises a StartError if one does not start."""
        troupe = waiting.workers(self.settings, count, fixed_ms, image_ms, self.metrics)
        self.workers += await self._troupes.enter_async_context(troupe)

    async def end_workers(self) -> None:
        """Ends all of them."""
        await self._troupes.aclose()
        self.workers.clear()

    async def open_gateways(self, count: int) -> None:
        """Starts so many gateway processes, instead of those that run; returns once they listen."""
        await self._supervisor.stop_together()
        self._supervisor = Supervisor()
        self.settings = msgspec.structs.replace(self.settings, gateways=count)
        await self._supervisor.start(
            Child(
                "gateway",
                (sys.executable, "-m", "gateway"),
                self.settings.environment(),
                stop_s=self.settings.stop_s + 5,
            )
        )

    def gateways(self) -> list[int]:
        """The ids of the gateway processes, without their parent's."""
        return [
            child.pid
            for parent in self._supervisor.pids().values()
            for child in psutil.Process(parent).children()
            if _serves(child)
        ]

    async def settled(self) -> None:
        """Returns once the server does not rewrite its append-only file; raises a TimeoutError."""
        admin = Keeper(self.server.admin_url, name="bench")
        try:
            async with asyncio.timeout(SETTLED_S):
                while True:
                    if not REWRITES & (await info(admin, "persistence")).items():
                        return
                    await asyncio.sleep(LOOK_S)
        finally:
            await admin.close()

    async def forget(self) -> None:
        """Empties the streams; no worker runs, and results go by themselves."""
        admin = Keeper(self.server.admin_url, name="bench")
        for lane in keys.LANES:
            await admin.call("DEL", keys.requests(self.settings.model_name, lane))
        await admin.close()

    async def close(self) -> None:
        """Ends gateways and workers."""
        await self._supervisor.stop_together()
        await self.end_workers()


def _serves(process: psutil.Process) -> bool:
    try:
        return SERVE in process.cmdline()
    except psutil.NoSuchProcess:  # it has just ended
        return False


@contextlib.asynccontextmanager
async def stage(given: Settings) -> AsyncIterator[Stage]:
    """Starts the server; everything ends with the context.

    Args:
        given: settings, but for ports, folder and server.
    """
    with tempfile.TemporaryDirectory(prefix="pictor-bench-") as name:
        server = Server(Path(name), "everysec")
        metrics = Path(name) / "metrics"
        metrics.mkdir()
        await server.start()
        made = Stage(
            msgspec.structs.replace(
                given,
                host="127.0.0.1",
                port=free_port(),
                data_dir=name,
                redis_url=server.url,
            ),
            server,
            metrics,
        )
        try:
            yield made
        finally:
            await made.close()
            await server.stop()


def spread(pids: list[int], port: int) -> list[int]:
    """Connections that each of these processes has accepted on a port and holds."""
    return [
        sum(
            one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port
            for one in psutil.Process(pid).net_connections("tcp")
        )
        for pid in pids
    ]
