"""``python -m bench``, which is ``make bench``: Pictor beside the limit and its peers, in one run.

Measured, in turns, with everything else stopped meanwhile: images a second under 32 connections; the
gateway alone; what a single picture waits beyond its decoding and inference; Poisson arrivals at half
the maximum rate, with and without a full bulk lane behind them; pictures that are known already; large
pictures; a queued image's memory. Each figure stands beside its bar (`bench.figures`). Every answer is
compared with the right one, computed here beforehand; errors are counted. Pictor runs as it is shipped,
its append-only file on, but for these: ports, folder and Redis are its own, the latter with more room
(`bench.server`); it logs errors alone, and its bulk lane is shorter (`bench.run`). The report names each
setting that differs, also those of the environment, and engine, precision, workers and threads.

Not measured: networks, other machines, days. The client shares the cores with whom it measures, the
same one with all of them.

A missed bar is a result. Exit status 1: something failed or was answered wrong; 2: it could not start.
"""

import argparse
import asyncio
import datetime
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench import machine, pictures, plots, report
from bench.beside import chosen
from bench.run import NAMES, Bench
from bench.setup import Setup
from bench.shipped import other_engine
from bench.throughput import expected
from common.errors import StartError
from common.settings import Settings


def write(bench: Bench, busy: float, warnings: Sequence[str], folder: Path) -> None:
    """Report, facts and plots."""
    setup = bench.setup
    context = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "machine": machine.facts(),
        "busy_at_start": round(busy, 3),
        "rounds": setup.rounds,
        "seconds": setup.seconds,
        "pictures": len(setup.given),
        "warnings": [*warnings, *bench.broken],
        "pictor": bench.pictor,
        "missing": bench.missing,
        "tried": bench.tried,
    }
    folder.mkdir(parents=True, exist_ok=True)
    report.as_json(bench.parts, context, folder / "bench.json")
    (folder / "bench.md").write_text(report.as_markdown(bench.parts, context))
    source = (
        f"python -m bench, {context['date']}, {setup.rounds} rounds in turns, "
        f"{machine.facts()['cores']} cores"
    )
    if "throughput" in bench.parts:
        plots.throughput(bench.parts["throughput"], source, folder / "throughput.png")
    if "openloop" in bench.parts:
        plots.latency(bench.parts["openloop"], source, folder / "latency.png")


def busy_warning(busy: float) -> list[str]:
    """Nothing, where the machine was ours alone."""
    if busy < machine.BUSY:
        return []
    return [
        f"When this began, others used {busy:.0%} of the machine: the ratios are worth little."
    ]


def main() -> int:
    options = _parse()
    settings = Settings.load()
    peers = [] if options.no_peers else chosen(options.peers)
    busy = machine.busy()
    warnings = [*busy_warning(busy), *other_engine(settings, peers)]
    for warning in warnings:
        print(f"bench: {warning}", file=sys.stderr, flush=True)
    given = pictures.load(options.images)
    print(f"computing the right answers of {len(given)} pictures ...", flush=True)
    setup = Setup(settings, options.rounds, options.seconds, expected(settings, given))
    bench = Bench(setup, options.only, peers)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(bench))
    write(bench, busy, warnings, options.out)
    print("", *report.rows(bench.parts), "", sep="\n")
    print(f"all of it: {options.out / 'bench.md'}")
    failed = sum(found.errors + found.wrong for found in bench.parts.values())
    return 1 if bench.broken or failed else 0


async def _until_told(bench: Bench) -> None:
    """Runs it; SIGTERM ends it in order, as Ctrl-C does: what stands still goes on and is ended."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await bench.run()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--images", type=Path, help="a folder; default: cut-outs of photographs"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of each side")
    parser.add_argument("--seconds", type=float, default=8.0, help="a round")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, help="measure these alone"
    )
    parser.add_argument(
        "--peers", nargs="+", metavar="NAME", help="beside these; default: all"
    )
    parser.add_argument("--no-peers", action="store_true", help="beside nobody")
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, StartError) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("bench: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
