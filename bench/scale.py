"""``python -m bench.scale``: what becomes of rate and cost as workers, gateways, backlog and images grow.

The engine only waits, t(n) = 5 ms + 0.2 ms * n like a GPU's process (`bench.waiting`), and images are not
opened, so that what is left is the path: HTTP, Redis, batches. All images differ. Four sweeps, each point
the median of interleaved rounds, with the processor time that each part took a request:

- `--workers`, one gateway: asked over HTTP in a closed loop; fed straight into Redis, which is the workers' own
  ceiling; and the same with an engine ten times slower, so that the cores of this machine come last.
- `--gateways`, on the one port, two workers; with the spread of their connections.
- `--backlogs` of 10 KB entries in the bulk lane, kept at its level while workers take from it and are fed anew;
  then the same while clients ask over HTTP. At "0" no more waits than the workers have in hand.
- `--sizes` of an image, over HTTP.

Redis runs as `make run` has it (append-only file, everysec); where filling a backlog had it rewrite that file,
the end of this is waited for, and rewrites that come later count. Clients, feed, Redis, gateways and workers share
the cores, and what the client took is printed. Not measured: opening images, a real engine, networks.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

if not __package__:  # run as bench/scale.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec
import uvloop

from bench import growth_report
from bench.growth import Point
from bench.runs import Runs
from bench.stage import Stage, stage
from bench.waiting import HEAD_BYTES, MAX_BATCH
from common.errors import StartError
from common.settings import Settings
from inference.batcher import AHEAD

SWEEPS: Final = ("workers", "gateways", "backlog", "size")
# What grows, by default.
WORKERS: Final = (1, 2, 4, 8, 16)
GATEWAYS: Final = (1, 2, 4)
BACKLOGS: Final = (0, 1000, 10_000, 100_000)  # entries
SIZES: Final = (10_000, 100_000, 1_000_000, 5_000_000)  # bytes
SMALL: Final = 10_000  # bytes of an image, where its size is not what grows
ENGINE: Final = (5.0, 0.2)  # ms of a batch, and of each image in it
SLOW: Final = (50.0, 2.0)
CLIENTS: Final = 64
LARGE_CLIENTS: Final = 8  # where images are of 1 MB and more
# Entries that a worker may hold, and as many that wait.
IN_HAND: Final = 2 * AHEAD * MAX_BATCH


async def workers(runs: Runs, at: Stage, counts: Sequence[int]) -> None:
    """One round; workers are added, and end with it."""
    for name, engine, asked in (("", ENGINE, True), (", slow engine", SLOW, False)):
        for count in counts:
            await at.add_workers(count - len(at.workers), *engine)
            if asked:
                point = runs.point(at, "workers, asked over HTTP", count, engine)
                await runs.asked(at, point, SMALL, CLIENTS)
            point = runs.point(at, f"workers, fed through Redis{name}", count, engine)
            await runs.fed(at, point, SMALL, count * IN_HAND)
        await at.end_workers()


async def gateways(runs: Runs, at: Stage, counts: Sequence[int]) -> None:
    await at.add_workers(2, *ENGINE)
    for count in counts:
        await at.open_gateways(count)
        point = runs.point(at, "gateways", count, ENGINE)
        await runs.asked(at, point, SMALL, CLIENTS)
    await at.open_gateways(1)
    await at.end_workers()


async def backlog(runs: Runs, at: Stage, levels: Sequence[int]) -> None:
    """One round; the stream is emptied at its end."""
    await at.add_workers(2, *ENGINE)
    for level in levels:
        fed = runs.point(at, "backlog, fed through Redis", level, ENGINE)
        asked = runs.point(at, "backlog, asked over HTTP before it", level, ENGINE)
        await runs.fed(at, fed, SMALL, level + 2 * IN_HAND, then=asked, clients=CLIENTS)
    await at.end_workers()


async def size(runs: Runs, at: Stage, sizes: Sequence[int]) -> None:
    await at.add_workers(2, *ENGINE)
    for one in sizes:
        point = runs.point(at, "bytes of an image", one, ENGINE)
        clients = CLIENTS if one < 1_000_000 else LARGE_CLIENTS
        await runs.asked(at, point, one, clients)
    await at.end_workers()


async def run(options: argparse.Namespace) -> list[Point]:
    """All sweeps that are asked for, round by round; raises as `bench.stage.stage` does."""
    runs = Runs(options.seconds)
    # Results and answers by content live for so long that their number is steady after a while.
    given = msgspec.structs.replace(
        Settings.load(), log_level="warning", result_ttl_s=20.0, cache_ttl_s=20.0
    )
    sweeps: dict[str, Callable[[Stage], object]] = {
        "workers": lambda at: workers(runs, at, sorted(set(options.workers))),
        "gateways": lambda at: gateways(runs, at, sorted(set(options.gateways))),
        "backlog": lambda at: backlog(runs, at, sorted(set(options.backlogs))),
        "size": lambda at: size(runs, at, sorted(set(options.sizes))),
    }
    async with stage(given) as at:
        await at.open_gateways(1)
        for number in range(options.rounds):
            for name in options.only or SWEEPS:
                await sweeps[name](at)  # type: ignore[misc]
                print(f"round {number + 1} of {options.rounds}: {name}", flush=True)
                await at.forget()
    return runs.points


def main() -> int:
    options = _parse()
    points = uvloop.run(run(options))
    growth_report.write(points, options.results, options.rounds, options.seconds)
    errors = sum(point.errors for point in points)
    unmet = any(verdict.good is False for verdict in growth_report.verdicts(points))
    return 1 if errors or (unmet and options.strict) else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SWEEPS, default=[])
    parser.add_argument("--seconds", type=float, default=1.5, help="a window")
    parser.add_argument("--rounds", type=int, default=3)
    for name, levels, unit in (
        ("--workers", WORKERS, "processes"),
        ("--gateways", GATEWAYS, "processes"),
        ("--backlogs", BACKLOGS, "entries that wait"),
        ("--sizes", SIZES, f"bytes of an image, at least {HEAD_BYTES}"),
    ):
        parser.add_argument(
            name, type=int, nargs="+", default=levels, metavar="N", help=unit
        )
    parser.add_argument(
        "--strict", action="store_true", help="a verdict that is not met: status 1"
    )
    parser.add_argument("--results", type=Path, default=Path("bench/results"))
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, StartError) as problem:
        print(f"scale: {problem}", file=sys.stderr)
        sys.exit(2)
