"""What the embedded server still has of what it acknowledged, after kill -9 and after a torn file."""

import asyncio
import contextlib
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.adding import STREAM, add_until_lost
from bench.server import Durability, Server
from common.connections import Keeper

WRITERS: Final = 32
NEVER_REWRITTEN: Final = ("--auto-aof-rewrite-percentage", "0")
CHUNK: Final = 200  # entries a reply
ADDING_S: Final = (0.4, 1.6)  # so that the kill meets every phase of a second
TORN_BYTES: Final = (1, 250_000)  # cut off the end: within the last entries


@dataclass(frozen=True)
class Killed:
    """One kill -9.

    Attributes:
        acknowledged: entries that Redis had answered.
        missing: those of them that are gone.
        window_ms: the age of the oldest of these when the last one was answered.
        back_s: from the kill to the first answer.
    """

    acknowledged: int
    missing: int
    window_ms: int
    back_s: float


@dataclass(frozen=True)
class Torn:
    """One end of the append-only file that was lost, as by a power cut.

    Attributes:
        bytes: that were cut off.
        entries: there before.
        kept: there afterwards.
        gapless: they are the first ones.
    """

    bytes: int
    entries: int
    kept: int
    gapless: bool


async def killed(durability: Durability) -> Killed:
    """Kills a server under WRITERS and starts it again."""
    async with _server(durability) as server:
        acknowledged = await _under_load(server, server.kill)
        started = time.perf_counter()
        await server.start()
        back_s = time.perf_counter() - started
        there = set(await _ids(server))
    missing = [one for one in acknowledged if one not in there]
    window_ms = max(map(_ms, acknowledged)) - min(map(_ms, missing)) if missing else 0
    return Killed(len(acknowledged), len(missing), window_ms, back_s)


async def torn() -> Torn:
    """Cuts bytes off the end of a stopped server's file and starts it again."""
    # Not rewritten, so that there is one file and its end holds the last entries.
    async with _server("everysec", *NEVER_REWRITTEN) as server:
        await _under_load(server, server.stop)
        await server.start()
        before = await _ids(server)
        await server.kill()
        last = next(path for path in server.files() if path.name.endswith(".incr.aof"))
        cut = random.randint(*TORN_BYTES)
        os.truncate(last, last.stat().st_size - cut)
        await server.start()
        after = await _ids(server)
    return Torn(cut, len(before), len(after), after == before[: len(after)])


@contextlib.asynccontextmanager
async def _server(durability: Durability, *arguments: str) -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory(prefix="pictor-bench-") as folder:
        server = Server(Path(folder), durability, *arguments)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


async def _under_load(
    server: Server, end: Callable[[], Awaitable[None]]
) -> list[bytes]:
    """Ends a server while WRITERS add; the ids it had answered."""
    link = Keeper(server.url, name="bench")
    acknowledged: list[bytes] = []
    adding = asyncio.create_task(add_until_lost(link, WRITERS, acknowledged))
    await asyncio.sleep(random.uniform(*ADDING_S))
    await end()
    await adding
    await link.close()
    return acknowledged


async def _ids(server: Server) -> list[bytes]:
    """The ids of all entries there, in order."""
    link = Keeper(server.url, name="bench")
    found: list[bytes] = []
    start = b"-"
    while entries := await link.call("XRANGE", STREAM, start, "+", "COUNT", CHUNK):
        found.extend(entry_id for entry_id, _ in entries)
        start = b"(" + found[-1]
    await link.close()
    return found


def _ms(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
