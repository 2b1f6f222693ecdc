"""``python -m bench``, which is ``make bench``: Pictor beside the limit and its peers, in one run.

Measured, in turns, with everything else stopped meanwhile: images a second under 32 connections; the
gateway alone; what a single picture waits beyond its decoding and inference; Poisson arrivals at half
the maximum rate, with and without a full bulk lane behind them; pictures that are known already; large
pictures; a queued image's memory. Each figure stands beside its bar (`bench.figures`). Every answer is
compared with the right one, computed here beforehand; errors are counted. Pictor runs as it is shipped,
with its append-only file on, on ports and in a folder of its own.

Not measured: networks, other machines, days. The client shares the cores with whom it measures, the
same one with all of them.

A missed bar is a result. Exit status 1: something failed or was answered wrong; 2: it could not start.
"""

import argparse
import asyncio
import contextlib
import datetime
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from bench import machine, pictures, plots, report
from bench.bulk import BOUND
from bench.figures import Found
from bench.layouts import BATCHES, LAYOUTS, Way
from bench.limit import Limit, ways
from bench.null import alone
from bench.queued import memory
from bench.rates import LIMIT, cached, throughput
from bench.scaled import large
from bench.setup import Setup, Subject
from bench.subject import pictor
from bench.throughput import expected
from bench.waits import openloop, single
from common.errors import StartError
from common.settings import Settings, usable_cores

NAMES: Final = (
    *("throughput", "cached", "single", "openloop", "bulk"),
    *("gateway", "large", "memory"),
)
WITH_PICTOR: Final = frozenset(NAMES[:5])


@dataclass
class Bench:
    """A run.

    Attributes:
        only: what to measure.
        parts: what was found, by name.
        missing: who did not start, and why.
        tried: what was tried to find a side's best configuration.
        broken: what failed, in words.
    """

    setup: Setup
    only: Sequence[str]
    parts: dict[str, Found] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    tried: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """All that was asked for; what needs no Pictor first, while nothing else runs."""
        await self._part("large", lambda: large(self.setup))
        await self._part("memory", lambda: memory(self.setup))
        await self._part("gateway", lambda: alone(self.setup))
        if not WITH_PICTOR & set(self.only):
            return
        with contextlib.ExitStack() as stack:
            limit = self._limit(stack) if "throughput" in self.only else None
            settings = msgspec.structs.replace(
                self.setup.settings, log_level="warning", max_backlog_bulk=BOUND
            )
            async with pictor(settings) as (system, process):
                await self._with(Subject(system, process), limit)

    async def _with(self, subject: Subject, limit: tuple[Limit, Way] | None) -> None:
        """What needs a Pictor; half its rate and one picture's work are measured if need be."""
        setup, bulk = self.setup, "bulk" in self.only
        waiting = bulk or "openloop" in self.only
        if "throughput" in self.only:
            await self._throughput(subject, limit)
        needed = waiting and setup.rate is None
        await self._part("cached", lambda: cached(setup, subject), needed=needed)
        await self._part("single", lambda: single(setup, subject), needed=waiting)
        if waiting and setup.rate and setup.work_ms:
            await self._part(
                "openloop", lambda: openloop(setup, subject, bulk=bulk), needed=True
            )

    async def _throughput(
        self, subject: Subject, limit: tuple[Limit, Way] | None
    ) -> None:
        await self._part(
            "throughput", lambda: throughput(self.setup, subject, limit, ())
        )

    def _limit(self, stack: contextlib.ExitStack) -> tuple[Limit, Way]:
        """The in-process limit, laid out in the way that is fastest here."""
        setup = self.setup
        setup.say("trying how the limit is laid out best ...")
        images = [one.picture.data for one in setup.given]
        limit = stack.enter_context(Limit.of(setup.settings, images, usable_cores()))
        tried = limit.trials(ways(LAYOUTS, BATCHES))
        way = max(tried, key=tried.__getitem__)
        each = {str(one): round(rate, 1) for one, rate in tried.items()}
        self.tried[LIMIT] = {"best": str(way), "tried": each}
        return limit, way

    async def _part(
        self,
        name: str,
        measure: Callable[[], Awaitable[Found]],
        *,
        needed: bool = False,
    ) -> None:
        """Measures it if it was asked for, or another needs it; a failure leaves the others be."""
        if name not in self.only and not needed:
            return
        self.setup.say(f"-- {name}")
        try:
            self.parts[name] = await measure()
        except (OSError, ValueError, StartError) as error:
            self.broken.append(f"{name}: {error}")
            self.setup.say(f"bench: {self.broken[-1]}")


def write(bench: Bench, busy: float, folder: Path) -> None:
    """Report, facts and plots."""
    setup = bench.setup
    context = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "machine": machine.facts(),
        "busy_at_start": round(busy, 3),
        "rounds": setup.rounds,
        "seconds": setup.seconds,
        "pictures": len(setup.given),
        "warnings": [*busy_warning(busy), *bench.broken],
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
    busy = machine.busy()
    for warning in busy_warning(busy):
        print(f"bench: {warning}", file=sys.stderr, flush=True)
    given = pictures.load(options.images)
    print(f"computing the right answers of {len(given)} pictures ...", flush=True)
    setup = Setup(settings, options.rounds, options.seconds, expected(settings, given))
    bench = Bench(setup, options.only)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(bench))
    write(bench, busy, options.out)
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
