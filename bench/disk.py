"""Whether the append-only file stays bounded while images pass through, and what its rewriting costs."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.adding import Added, add
from bench.server import Durability, Server, info, percentile
from common.connections import Keeper

IN_FLIGHT: Final = 32
LOOK_S: Final = 0.02


@dataclass
class Passed:
    """What was seen while images passed through.

    Attributes:
        images: that did.
        peak_bytes: the most that the files took together.
        end_bytes: what they took at the end.
        rewrites: that the server began.
        fork_ms: the longest that a fork held it up.
        quiet: p50 and p99 in ms of XADDs that no rewrite overlapped.
        rewriting: those of the others.
        rewriting_share: the share of the others.
    """

    images: int
    peak_bytes: int = 0
    end_bytes: int = 0
    rewrites: int = 0
    fork_ms: float = 0.0
    quiet: tuple[float, float] = (0.0, 0.0)
    rewriting: tuple[float, float] = (0.0, 0.0)
    rewriting_share: float = 0.0


async def passing(
    durability: Durability, images: int, held: int = 0, *arguments: str
) -> Passed:
    """Sends images through a server, each deleted after it was added.

    Args:
        durability: the mode.
        images: how many.
        held: how many others wait in the stream all the while.
        arguments: of the server, beside its own.
    """
    seen = Passed(images)
    with tempfile.TemporaryDirectory(prefix="pictor-bench-") as folder:
        server = Server(Path(folder), durability, *arguments)
        await server.start()
        link, looking = Keeper(server.url, name="bench"), Keeper(server.url)
        try:
            if held:
                await add(link, held, IN_FLIGHT)
            spans: list[tuple[float, float]] = []
            watching = asyncio.create_task(_watch(server, looking, seen, spans))
            added = await add(link, images, IN_FLIGHT, remove=True)
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            seen.end_bytes = server.disk_bytes()
            seen.peak_bytes = max(seen.peak_bytes, seen.end_bytes)
        finally:
            await link.close()
            await looking.close()
            await server.stop()
    _split(added, spans, seen)
    return seen


async def _watch(
    server: Server, link: Keeper, seen: Passed, spans: list[tuple[float, float]]
) -> None:
    """Looks at files and server again and again; notes from when to when it rewrote."""
    began: float | None = None
    while True:
        seen.peak_bytes = max(seen.peak_bytes, server.disk_bytes())
        state = await info(link, "persistence")
        stats = await info(link, "stats")
        running = state["aof_rewrite_in_progress"] == "1"
        if running and began is None:
            began = time.perf_counter() - LOOK_S
        elif not running and began is not None:
            spans.append((began, time.perf_counter()))
            began = None
        seen.rewrites = int(state.get("aof_rewrites", 0))
        seen.fork_ms = max(seen.fork_ms, int(stats["latest_fork_usec"]) / 1000)
        await asyncio.sleep(LOOK_S)


def _split(added: Added, spans: Sequence[tuple[float, float]], seen: Passed) -> None:
    """Tells the XADDs that met a rewrite from the others."""
    quiet: list[float] = []
    met: list[float] = []
    for moment, ms in zip(added.moments, added.latencies_ms, strict=True):
        start = moment - ms / 1000
        overlaps = any(start <= end and began <= moment for began, end in spans)
        (met if overlaps else quiet).append(ms)
    seen.quiet = percentile(quiet, 0.5), percentile(quiet, 0.99)
    seen.rewriting = percentile(met, 0.5), percentile(met, 0.99)
    seen.rewriting_share = len(met) / seen.images
