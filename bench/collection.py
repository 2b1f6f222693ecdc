"""``python -m bench.collection``: whole collections through ``pictor classify``, beside the limit, in turns.

Measured: files on this disk to a finished output, with the ledger, digests and hashes, each run with files
that neither ledger nor cache has seen; once with ``--local``, once through a Pictor of the bench's own
(append-only file on), once as `bench.limit` does it. The command's own rate is taken: from the first file
until the last is in the ledger, warm-up and scan apart. Also measured: how long a person waits, one picture after
another, with nothing else to do and while a collection goes through the bulk lane. Everybody else stands
still meanwhile. Not measured: disks that are slow.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

if not __package__:  # run as bench/collection.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import psutil

from bench import interleave, pictures
from bench.interleave import Side
from bench.layouts import BATCHES, LAYOUTS
from bench.limit import Limit, shared, ways
from bench.subject import Process, pictor
from bench.system import System
from client import Client
from common.errors import StartError
from common.settings import Settings, usable_cores

Figures = dict[str, float]
MEGABYTE: Final = 1e6
BULK: Final = 'pictor_backlog_entries{lane="bulk"'


class Collections:
    """Folders of files that nobody has seen, and runs over them."""

    def __init__(self, folder: Path, originals: Sequence[bytes], files: int) -> None:
        self._folder, self._originals, self._files = folder, originals, files
        self._numbers = itertools.count(1)

    def fresh(self) -> bytes:
        """One more picture that nobody has seen."""
        number = next(self._numbers)
        return pictures.numbered(self._originals[number % len(self._originals)], number)

    def folder(self) -> Path:
        """A folder of them, already in the page cache."""
        made = Path(tempfile.mkdtemp(dir=self._folder))
        for number in range(self._files):
            (made / f"{number:06}.jpg").write_bytes(self.fresh())
        return made

    async def run(self, *way: str) -> Figures:
        """One run of the command; raises StartError where it does not end well."""
        folder = self.folder()
        out = folder.with_suffix(".jsonl")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "client.command.main", "classify"),
            *(str(folder), "--out", str(out), "--json", *way),
            stdout=asyncio.subprocess.PIPE,
        )
        peak = asyncio.create_task(_peak(process.pid))
        told, _ = await process.communicate()
        if process.returncode:
            raise StartError(f"pictor classify ended with {process.returncode}")
        summary = json.loads(told)
        return {
            "rate": round(summary["classified"] / summary["seconds"], 2),
            "megabytes": round(await peak / MEGABYTE),
        }


async def _peak(pid: int) -> float:
    """The most memory that the command itself had, in bytes; its children are not counted."""
    most = 0.0
    try:
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.1)
    except psutil.NoSuchProcess:
        pass
    return most


async def person(url: str, made: Collections, count: int) -> Figures:
    """How long one waits who sends so many pictures, one after another: milliseconds."""
    waits = []
    async with Client(url) as client:
        for _ in range(count):
            picture = made.fresh()
            started = time.perf_counter()
            await client.classify(picture)
            waits.append((time.perf_counter() - started) * 1000)
    return {"p95_ms": round(statistics.quantiles(waits, n=20)[-1], 1)}


async def measure(options: argparse.Namespace, settings: Settings) -> int:
    """All sides in turns, then what they come to."""
    originals = [one.data for one in pictures.load(options.images)]
    with tempfile.TemporaryDirectory(prefix="pictor-collection-") as name:
        made = Collections(Path(name), originals, options.files)
        with Limit.of(settings, originals, usable_cores()) as limit:
            async with pictor(settings) as (running, server):
                sides = _sides(options, made, limit, running, server)
                found = await interleave.in_turns(
                    sides, [], options.rounds, lambda text: print(text, flush=True)
                )
    return _report(found)


def _sides(
    options: argparse.Namespace,
    made: Collections,
    limit: Limit,
    running: System,
    server: Process,
) -> list[Side[Figures]]:
    tried = limit.trials(ways(LAYOUTS, BATCHES))
    best = max(tried, key=tried.__getitem__)

    async def limited(_: int) -> Figures:
        seen = limit.measure(best, options.seconds)
        if shared(seen.cores):
            print("others use this machine: no ratio of this run counts")
        return {"rate": round(seen.rate, 2)}

    async def local(_: int) -> Figures:
        return await made.run("--local")

    async def remote(_: int) -> Figures:
        return await made.run("--server", running.url)

    async def alone(_: int) -> Figures:
        return await person(running.url, made, options.waits)

    async def beside(_: int) -> Figures:
        run = asyncio.create_task(made.run("--server", running.url))
        await _under_way(running.url)
        seen = await person(running.url, made, options.waits)
        if run.done():
            raise StartError("the collection was too small: give more --files")
        await run
        return seen

    return [
        Side("limit", limited),
        Side("local", local),
        Side("server", remote, server),
        Side("person alone", alone, server),
        Side("person beside a collection", beside, server),
    ]


async def _under_way(url: str) -> None:
    """Returns once pictures wait in the bulk lane."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/metrics") as response:
                text = await response.text()
            lines = text.splitlines()
            waiting = [one for one in lines if one.startswith(BULK)]
            if any(float(one.rpartition(" ")[2]) > 0 for one in waiting):
                return
            await asyncio.sleep(0.05)


def _report(found: dict[str, list[Figures]]) -> int:
    def median(side: str, figure: str) -> float:
        return statistics.median(one[figure] for one in found[side])

    def spread(side: str, other: str, figure: str) -> str:
        each = [
            a[figure] / b[figure]
            for a, b in zip(found[side], found[other], strict=True)
        ]
        return f"{min(each):.2f} to {max(each):.2f}"

    rows = (
        ("local ÷ limit", "local", "limit", "rate", "at least 0.95"),
        ("server ÷ limit", "server", "limit", "rate", "at least 0.85"),
        (
            *("a person's p95 beside a collection ÷ alone",),
            *("person beside a collection", "person alone", "p95_ms", "at most 2"),
        ),
    )
    print("\n| figure | bar | median | rounds |\n| --- | --- | --- | --- |")
    for title, side, other, figure, bar in rows:
        ratio = median(side, figure) / median(other, figure)
        print(f"| {title} | {bar} | {ratio:.2f} | {spread(side, other, figure)} |")
    for side in ("local", "server"):
        rate, memory = median(side, "rate"), median(side, "megabytes")
        print(f"{side}: {rate:.1f} files/s, the command itself at most {memory:.0f} MB")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.collection", description=__doc__)
    parser.add_argument(
        "--images", type=Path, help="a folder; default: cut-outs of photographs"
    )
    parser.add_argument("--files", type=int, default=1500, help="a run")
    parser.add_argument(
        "--waits", type=int, default=100, help="pictures of a person, a round"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="of the limit, a round"
    )
    return asyncio.run(measure(parser.parse_args(), Settings.load()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, StartError) as problem:
        print(f"collection: {problem}", file=sys.stderr)
        sys.exit(2)
