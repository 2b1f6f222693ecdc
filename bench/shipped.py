"""How the Pictor that is measured runs, seen from outside, and what differs from how it is shipped."""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
import psutil

from bench.interleave import tree
from bench.peers.peer import Peer
from bench.system import System
from common import keys, wire
from common.connections import Keeper
from common.settings import Settings
from inference.engine import choose, gpu

# Where a Pictor of the bench's own keeps to itself.
APART: Final = frozenset(
    f"PICTOR_{name}"
    for name in ("HOST", "PORT", "WORKER_METRICS_PORT", "DATA_DIR", "REDIS_URL")
)
WORKER: Final = "inference worker "  # in a worker's command line; number and threads


@dataclass(frozen=True)
class Shape:
    """What a Pictor runs with.

    Attributes:
        model: as the workers have it.
        engine: likewise.
        precision: that the settings ask of the engine.
        threads: of each worker's engine.
        gateways: processes.
        differs: settings that are not as shipped, by their names: how they are, and how they were.
    """

    model: str
    engine: str
    precision: str
    threads: tuple[int, ...]
    gateways: int
    differs: dict[str, tuple[str | int | float, str | int | float]]

    def facts(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self) | {"workers": len(self.threads), "text": str(self)}

    def __str__(self) -> str:
        each = " and ".join(map(str, sorted(set(self.threads))))
        differs = ", ".join(
            f"`{name}` {now} instead of {before}"
            for name, (now, before) in self.differs.items()
        )
        return (
            f"Pictor ran {self.model} by {self.engine} in {self.precision}, "
            f"{len(self.threads)} × {each} (workers × threads of each), gateways: {self.gateways}. "
            f"Not as it is shipped: {differs or 'no setting'}; ports, folder and Redis of its own."
        )


async def shape(system: System) -> Shape:
    """What runs there; all its workers are warm."""
    link = Keeper(system.server.admin_url, name="bench")
    try:
        names = await link.call("ZRANGE", keys.workers(), 0, -1)
        found = await link.call("MGET", *(keys.worker(one.decode()) for one in names))
    finally:
        await link.close()
    told = [wire.read_worker(one) for one in found if one is not None]
    engine = " and ".join(sorted({one.engine for one in told}))
    return Shape(
        " and ".join(sorted({one.model for one in told})),
        engine,
        precision(system.settings, engine),
        tuple(_threads(system.pid)),
        system.settings.gateways,
        differs(system.settings, system.server.settings),
    )


def precision(settings: Settings, engine: str) -> str:
    """In which an engine is asked to compute."""
    if engine == "litert":
        return "float32"  # and nothing else
    if settings.precision == "auto":
        return "float16" if gpu() else "float32"
    return settings.precision


def differs(
    settings: Settings, server: Settings
) -> dict[str, tuple[str | int | float, str | int | float]]:
    """Settings that are not as shipped, by their names: how they are, and how they were.

    Args:
        settings: of gateways and workers.
        server: of Redis.
    """
    whole = msgspec.structs.replace(
        settings,
        durability=server.durability,
        redis_maxmemory_mb=server.redis_maxmemory_mb,
    )
    shipped = Settings().by_name()
    return {
        name: (value, shipped[name])
        for name, value in whole.by_name().items()
        if name not in APART and value != shipped[name]
    }


def other_engine(settings: Settings, peers: Sequence[Peer]) -> list[str]:
    """Says so where Pictor's engine is not that of the peers that are said to have the same."""
    if choose(settings.engine) != "tensorflow":
        return []
    if not any(one.engine == "litert" for one in peers):
        return []
    return [
        "Pictor's engine is TensorFlow here, and what is called the same engine of peers is LiteRT: "
        "those ratios compare engines too."
    ]


def _threads(pid: int) -> list[int]:
    """Of each worker below a process, as its command line says."""
    found = []
    for process in tree([pid]):
        with contextlib.suppress(psutil.NoSuchProcess):
            _, worker, said = " ".join(process.cmdline()).partition(WORKER)
            if worker:
                found.append(int(said.split()[1]))
    return found
