"""``python -m bench.durability``: what PICTOR_DURABILITY costs and what a crash of Redis loses.

Measured, with the embedded server's own program, command line and rules, on this disk:

- XADD of a 110 KB image through the gateway's own connection (`common.connections.Keeper`), one at a time
  and 32 in flight, the modes in turns; an image's bytes in Redis' memory and in the append-only file.
- kill -9 under 32 writers, then a start: how many acknowledged entries are gone.
- An append-only file whose end is cut off, as a power cut leaves it without `always`: what is still there.
- 20,000 images that pass through: the most that the file takes on disk, and XADD while it is rewritten.

Not measured: a real power cut (the disk's own promise), HTTP, workers. `docs/durability.md` says what
the figures mean.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, get_args

if not __package__:  # run as bench/durability.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench import crashes, disk
from bench.adding import STREAM, Added, Cost, add, cost
from bench.crashes import Killed, Torn
from bench.disk import Passed
from bench.server import Durability, Server
from common.connections import Keeper
from common.errors import StartError

MODES: Final[tuple[Durability, ...]] = get_args(Durability)
COUNTS: Final = {1: 300, 32: 2000}  # XADDs a round, by how many are in flight
HELD: Final = 2000  # images that wait while others pass: 220 MB
MEMORY_BOUND: Final = 1.3  # bytes of Redis' memory a byte of an image, at most


async def rounds(count: int) -> tuple[dict[str, Any], dict[Durability, Cost]]:
    """XADD in each mode, in turns; figures by mode and number in flight, and an image's cost."""
    seen: dict[tuple[Durability, int], list[Added]] = {}
    costs: dict[Durability, Cost] = {}
    async with contextlib.AsyncExitStack() as stack:
        links: dict[Durability, Keeper] = {}
        for mode in MODES:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pictor-"))
            server = Server(Path(folder), mode)
            stack.push_async_callback(server.stop)
            await server.start()
            links[mode] = Keeper(server.url, name="bench")
            stack.push_async_callback(links[mode].close)
            costs[mode] = await cost(links[mode])
        for number in range(count):
            for in_flight, adds in COUNTS.items():
                for mode, link in links.items():
                    added = await add(link, adds, in_flight)
                    await link.call("DEL", STREAM)
                    seen.setdefault((mode, in_flight), []).append(added)
            print(f"round {number + 1} of {count}", file=sys.stderr, flush=True)
    return {f"{m} {n}": summary(all_of) for (m, n), all_of in seen.items()}, costs


def summary(added: Sequence[Added]) -> dict[str, float]:
    """Medians over the rounds, and the slowest and the fastest round."""
    rates = [one.rate for one in added]
    return {
        "rate": statistics.median(rates),
        "least": min(rates),
        "most": max(rates),
        "p50_ms": statistics.median(one.percentile(0.5) for one in added),
        "p99_ms": statistics.median(one.percentile(0.99) for one in added),
    }


def show_costs(figures: dict[str, Any], costs: dict[Durability, Cost]) -> None:
    print(
        "\n| mode | in flight | XADDs/s (slowest to fastest round) | of `none` | p50 ms | p99 ms "
        "| disk / image | memory / image |\n|---|---|---|---|---|---|---|---|"
    )
    for in_flight in COUNTS:
        base = figures[f"none {in_flight}"]["rate"]
        for mode in MODES:
            one = figures[f"{mode} {in_flight}"]
            print(
                f"| `{mode}` | {in_flight} | {one['rate']:.0f} "
                f"({one['least']:.0f} to {one['most']:.0f}) | {one['rate'] / base:.2f} "
                f"| {one['p50_ms']:.2f} | {one['p99_ms']:.2f} "
                f"| {costs[mode].disk:.3f} | {costs[mode].memory:.3f} |"
            )


def show_kills(killed: dict[Durability, list[Killed]]) -> None:
    print(
        "\n| mode | kills | acknowledged | missing afterwards | worst kill | oldest of these "
        "| back after (median) |\n|---|---|---|---|---|---|---|"
    )
    for mode, each in killed.items():
        print(
            f"| `{mode}` | {len(each)} | {sum(one.acknowledged for one in each)} "
            f"| {sum(one.missing for one in each)} | {max(one.missing for one in each)} "
            f"| {max(one.window_ms for one in each)} ms "
            f"| {statistics.median(one.back_s for one in each):.2f} s |"
        )


def show_torn(torn: Sequence[Torn]) -> None:
    print(
        "\n| bytes cut off | entries | kept | the first ones, all |\n|---|---|---|---|"
    )
    for one in torn:
        yes = "yes" if one.gapless else "NO"
        print(f"| {one.bytes} | {one.entries} | {one.kept} | {yes} |")


def show_disk(passed: dict[str, Passed]) -> None:
    print(
        "\n| mode | images | waiting meanwhile | peak on disk | at the end | rewrites | longest fork "
        "| p50, p99 ms | the same during rewrites |\n|---|---|---|---|---|---|---|---|---|"
    )
    for name, one in passed.items():
        mode, held = name.split()
        print(
            f"| `{mode}` | {one.images} | {held} | {one.peak_bytes / 1e6:.0f} MB "
            f"| {one.end_bytes / 1e6:.0f} MB | {one.rewrites} | {one.fork_ms:.1f} ms "
            f"| {one.quiet[0]:.1f}, {one.quiet[1]:.1f} "
            f"| {one.rewriting[0]:.1f}, {one.rewriting[1]:.1f} "
            f"({one.rewriting_share:.0%} of all) |"
        )


def broken(
    costs: dict[Durability, Cost],
    killed: dict[Durability, list[Killed]],
    torn: Sequence[Torn],
) -> list[str]:
    """What was promised and did not hold."""
    found = []
    if any(one.missing for one in killed["always"]):
        found.append("`always` lost what it had acknowledged")
    if not all(one.gapless and one.kept for one in torn):
        found.append("a torn file cost more than its end")
    if any(one.memory > MEMORY_BOUND for one in costs.values()):
        found.append(f"an image costs more than {MEMORY_BOUND} times its size")
    return found


async def run(options: argparse.Namespace) -> int:
    figures, costs = await rounds(options.rounds)
    show_costs(figures, costs)
    killed = {
        mode: [await crashes.killed(mode) for _ in range(options.kills)]
        for mode in MODES
    }
    show_kills(killed)
    torn = [await crashes.torn() for _ in range(options.kills)]
    show_torn(torn)
    passed = {
        f"{mode} {held}": await disk.passing(mode, options.images, held)
        for mode in ("everysec", "always")
        for held in (0, HELD)
    }
    show_disk(passed)
    complaints = broken(costs, killed, torn)
    for complaint in complaints:
        print(f"durability: {complaint}", file=sys.stderr)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "xadd": figures,
        "cost": {mode: asdict(one) for mode, one in costs.items()},
        "killed": {m: [asdict(one) for one in each] for m, each in killed.items()},
        "torn": [asdict(one) for one in torn],
        "disk": {name: asdict(one) for name, one in passed.items()},
    }
    options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if complaints else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.durability", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kills", type=int, default=5, help="of each mode")
    parser.add_argument("--images", type=int, default=20_000, help="that pass through")
    parser.add_argument(
        "--json", type=Path, default=Path("bench/results/durability.json")
    )
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, StartError) as problem:
        print(f"durability: {problem}", file=sys.stderr)
        sys.exit(2)
