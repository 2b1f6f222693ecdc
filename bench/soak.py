"""``python -m bench.soak``: thousands of requests to a Pictor of its own; does anything grow, is anything left?

Measured: memory, descriptors and threads of every process, keys in Redis by kind, subscriptions,
connections, consumers, entries, what the gateway counts; every few seconds while clients of all kinds
(`bench.mix`) send pictures that no cache has seen, and once all have gone. Every answer is compared
with the right one. Not measured: speed; days.

Exit status 1: memory grows by more than 1 MB a 1,000 requests in a process (the slope after the first
third), a count is not back where it was after warming up, or a client got what it should not have.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

if not __package__:  # run as bench/soak.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec

from bench import pictures
from bench.connection import Address
from bench.mix import Mix
from bench.samples import Observer, Sample
from bench.system import system
from bench.throughput import expected
from common.errors import StartError
from common.settings import Settings
from gateway.channels import SPARE, UNSUBSCRIBE_AT

SAMPLE_S: Final = 2.0
WARM_UP: Final = 300  # requests, at most; pools and caches are filled then
MOST_GROWTH: Final = 1.0  # MB a 1,000 requests
LEAST_SAMPLES: Final = 8  # for a slope
SETTLE_S: Final = 15.0  # beyond the time that results live
# What need not be back exactly: channels are asked for and given up several at a time.
SLACK: Final = {"subscriptions": SPARE + UNSUBSCRIBE_AT}
# These are judged by their slope, not by where they end.
SLOPES: Final = "memory MB"
# A pool of threads grows to its bound and stays; a leak would show as a slope.
POOLS: Final = "threads"
MOST_THREADS: Final = 16  # beyond those at the start


@dataclass
class Soaked:
    """What a run found."""

    start: Sample
    end: Sample = field(default_factory=dict)
    samples: list[tuple[int, Sample]] = field(default_factory=list)

    def slope(self, name: str) -> float | None:
        """Growth a 1,000 requests after the first third, by least squares; None for too few samples."""
        seen = [(done, one[name]) for done, one in self.samples if name in one]
        seen = [(done, value) for done, value in seen if done >= seen[-1][0] / 3]
        if len(seen) < LEAST_SAMPLES:
            return None
        line = statistics.linear_regression(*zip(*seen, strict=True))
        return 1000 * line.slope

    def left_over(self) -> list[str]:
        """Counts that are not back where they were."""
        names = sorted({*self.start, *self.end})
        return [
            name
            for name in names
            if not name.startswith(SLOPES)
            and self.end.get(name, 0) > self.start.get(name, 0) + _slack(name)
        ]

    def growing(self) -> list[str]:
        """Processes whose memory grows."""
        names = [name for name in self.start if name.startswith(SLOPES)]
        return [n for n in names if (self.slope(n) or 0.0) > MOST_GROWTH]


def _slack(name: str) -> float:
    return MOST_THREADS if name.startswith(POOLS) else SLACK.get(name, 0)


async def settled(observer: Observer, soaked: Soaked, within_s: float) -> None:
    """Takes the last sample, once all counts are back, or when they had time enough."""
    give_up_at = time.monotonic() + within_s
    while True:
        soaked.end = await observer.sample()
        if not soaked.left_over() or time.monotonic() > give_up_at:
            return
        await asyncio.sleep(0.5)


async def quiet(observer: Observer, within_s: float) -> Sample:
    """A sample with no result, entry or waiter left of what went before."""
    soaked = Soaked({})
    names = ("keys, result", "keys, pending", "pictor_waiting_requests")
    give_up_at = time.monotonic() + within_s
    while time.monotonic() < give_up_at:
        soaked.start = await observer.sample()
        if not any(soaked.start.get(name) for name in names):
            break
        await asyncio.sleep(0.5)
    return soaked.start


async def soak(settings: Settings, requests: int, clients: int) -> tuple[Soaked, Mix]:
    """Runs it all; raises as `bench.system.system` does."""
    given = expected(settings, pictures.load(None))
    settle_s = settings.result_ttl_s + SETTLE_S
    async with system(settings) as running:
        mix = Mix(Address.of(running.url), given)
        observer = Observer(running)
        await mix.run(min(WARM_UP, requests // 2), clients)
        soaked = Soaked(await quiet(observer, settle_s))
        before, pids = mix.done, observer.pids()
        sending = asyncio.create_task(mix.run(requests, clients))
        while not sending.done():
            await asyncio.wait({sending}, timeout=SAMPLE_S)
            soaked.samples.append((mix.done - before, await observer.sample()))
        await sending
        await settled(observer, soaked, settle_s)
        # A decoder may be replaced: a picture may have cost it its life.
        for name, pid in observer.pids().items():
            if not name.startswith("decoder") and pids.get(name) != pid:
                mix.faults[f"{name} was replaced"] += 1
        await observer.close()
    return soaked, mix


def show(soaked: Soaked, mix: Mix, *, slopes: bool) -> None:
    """A table of all series, then what became of the requests."""
    left, growing = soaked.left_over(), soaked.growing() if slopes else []
    print(
        "\n| series | start | most | end | a 1,000 requests | |\n|---|---|---|---|---|---|"
    )
    seen = {name for _, sample in soaked.samples for name in sample}
    for name in sorted({*soaked.start, *soaked.end, *seen}):
        most = max((sample.get(name, 0) for _, sample in soaked.samples), default=0)
        slope = soaked.slope(name)
        verdict = "NOT BACK" if name in left else "GROWS" if name in growing else "ok"
        print(
            f"| {name} | {soaked.start.get(name, 0):.4g} | {most:.4g} "
            f"| {soaked.end.get(name, 0):.4g} "
            f"| {'' if slope is None else f'{slope:+.2f}'} | {verdict} |"
        )
    for title, counts in (("requests", mix.outcomes), ("faults", mix.faults)):
        said = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        print(f"{title}: {said or 'none'}")


def summary(soaked: Soaked, mix: Mix) -> dict[str, Any]:
    """All of it, for a file."""
    names = [name for name in soaked.start if name.startswith(SLOPES)]
    return {
        "start": soaked.start,
        "end": soaked.end,
        "slopes_mb_per_1000": {name: soaked.slope(name) for name in names},
        "left_over": soaked.left_over(),
        "outcomes": mix.outcomes,
        "faults": mix.faults,
        "samples": soaked.samples,
    }


def main() -> int:
    options = _parse()
    settings = msgspec.structs.replace(
        Settings.load(),
        log_level="warning",
        cache_ttl_s=0,  # answers kept by content are meant to stay
        deadline_s=options.deadline_s,
        result_ttl_s=2 * options.deadline_s,
    )
    soaked, mix = asyncio.run(soak(settings, options.requests, options.clients))
    show(soaked, mix, slopes=not options.counts_only)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(summary(soaked, mix)) + "\n")
    growing = [] if options.counts_only else soaked.growing()
    return 1 if soaked.left_over() or growing or mix.faults else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--deadline-s", type=float, default=10.0)
    parser.add_argument(
        "--counts-only", action="store_true", help="too few requests for slopes"
    )
    parser.add_argument("--json", type=Path, default=Path("bench/results/soak.json"))
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, StartError) as problem:
        print(f"soak: {problem}", file=sys.stderr)
        sys.exit(2)
