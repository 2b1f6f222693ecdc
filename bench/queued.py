"""What a queued image costs in Redis' memory (`bench.adding.cost`), for `make bench`."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.adding import cost
from bench.figures import Found, median
from bench.interleave import Side, in_turns
from bench.server import Server
from bench.setup import Seen, Setup, noted
from common.connections import Keeper

QUEUED: Final = "a queued image"


@dataclass
class CostRound:
    """Bytes of memory and of the append-only file for each byte of the image."""

    memory: float
    disk: float

    def facts(self) -> dict[str, Any]:
        """For a file."""
        return {"memory": round(self.memory, 4), "disk": round(self.disk, 4)}

    def __str__(self) -> str:
        return f"{self.memory:.3f} bytes of memory for each of its own"


async def memory(setup: Setup) -> Found:
    """200 images of 110 KB added, round by round to a server of its own: none has freed memory in hand."""
    found = Found()

    async def measure(number: int) -> CostRound:
        with tempfile.TemporaryDirectory(prefix="pictor-bench-") as folder:
            server = Server(Path(folder), "everysec")
            await server.start()
            link = Keeper(server.url, name="bench")
            try:
                seen = await cost(link)
            finally:
                await link.close()
                await server.stop()
        return CostRound(seen.memory, seen.disk)

    side: Side[Seen] = Side(QUEUED, measure)
    noted(found, await in_turns([side], (), setup.rounds, setup.say))
    values = [one["memory"] for one in found.rounds[QUEUED]]
    found.figures.append(median("memory", values))
    return found
