"""``python -m bench.limit``: how many images a second decoder and engine do here, without a server.

Measured: image bytes to probabilities, on all cores, with all pictures in memory. Not measured: HTTP,
Redis, waiting for company, publishing. So a whole system cannot be faster, and what it reaches of this
says what its path costs.

A process a core, one engine thread each, as the workers are laid out. How decoding is laid out beside
the engine is tried (`bench.layouts`), as is the batch size, and the fastest counts: the higher, the
harder for the system.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Self

if not __package__:  # run as bench/limit.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench import pictures, reference
from bench.layouts import BATCHES, LAYOUTS, Layout, Runner, Way
from common.settings import Settings, usable_cores

TRIAL_S: Final = 0.8
OURS: Final = 0.9  # of the cores: where the limit has fewer, others use the machine
TRIALS: Final = 3  # in turns; the best counts, so that a busy moment does not decide


@dataclass(frozen=True)
class Measured:
    """What a run found.

    Attributes:
        rate: images a second.
        cores: how many the run had; fewer than it could use where others use the machine too.
    """

    rate: float
    cores: float

    def facts(self) -> dict[str, float]:
        """For a file."""
        return {"rate": round(self.rate, 2), "cores": round(self.cores, 2)}

    def __str__(self) -> str:
        return f"{self.rate:.1f} images/s on {self.cores:.1f} cores"


class Limit:
    """The processes; idle unless they measure."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes
        for pipe in pipes:
            pipe.recv()  # warm

    @classmethod
    @contextlib.contextmanager
    def of(
        cls, settings: Settings, images: Sequence[bytes], processes: int
    ) -> Iterator[Self]:
        """Starts them, warm; they end with the context."""
        reference.prepared(settings)  # once, not in each
        context = multiprocessing.get_context("spawn")
        pipes, started = [], []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, settings), daemon=True
            )
            process.start()
            theirs.close()
            pipes.append(ours)
            started.append(process)
        for number, pipe in enumerate(pipes):
            pipe.send((images, number * len(images) // processes))
        try:
            yield cls(pipes)
        finally:
            for pipe in pipes:
                pipe.close()
            for process in started:
                process.join(10)

    def measure(self, way: Way, seconds: float) -> Measured:
        """All processes together."""
        for pipe in self._pipes:
            pipe.send((way, seconds))
        each: list[Measured] = [pipe.recv() for pipe in self._pipes]
        return Measured(sum(one.rate for one in each), sum(one.cores for one in each))

    def trials(self, ways: Sequence[Way], seconds: float = TRIAL_S) -> dict[Way, float]:
        """Images a second of each way, the best of TRIALS runs of so many seconds, taken in turns."""
        rates = dict.fromkeys(ways, 0.0)
        for _ in range(TRIALS):
            for way in ways:
                rates[way] = max(rates[way], self.measure(way, seconds).rate)
        return rates


def _serve(pipe: Connection, settings: Settings) -> None:
    """What a process does: takes the pictures, then measures what it is told, until the pipe is closed."""
    images, offset = pipe.recv()
    runner = Runner(settings, images, offset)
    pipe.send(True)
    with contextlib.suppress(EOFError):
        while True:
            way, seconds = pipe.recv()
            started, before = time.perf_counter(), sum(os.times()[:4])
            rate = runner.run(way, seconds)
            # Of this process and of the children that have ended.
            used = sum(os.times()[:4]) - before
            pipe.send(Measured(rate, used / (time.perf_counter() - started)))


def shared(cores: float) -> bool:
    """Whether others used the machine while the limit had so many cores."""
    return cores < OURS * usable_cores()


def ways(layouts: Sequence[Layout], batches: Sequence[int]) -> list[Way]:
    return [Way(layout, batch) for layout in layouts for batch in batches]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.limit", description=__doc__)
    parser.add_argument(
        "--images", type=Path, help="a folder; default: cut-outs of photographs"
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--processes", type=int, default=usable_cores())
    parser.add_argument(
        "--batch", type=int, choices=BATCHES, help="default: the best of all"
    )
    parser.add_argument("--layout", choices=LAYOUTS, help="default: the fastest of all")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    images = [picture.data for picture in pictures.load(options.images)]
    layouts = (options.layout,) if options.layout else LAYOUTS
    batches = (options.batch,) if options.batch else BATCHES
    with Limit.of(Settings.load(), images, options.processes) as limit:
        tried = limit.trials(ways(layouts, batches))
        best = max(tried, key=tried.__getitem__)
        found = limit.measure(best, options.seconds)
    if options.json:
        each = {str(way): round(tried[way], 1) for way in tried}
        whole = {"images_per_s": round(found.rate, 1), "cores": round(found.cores, 2)}
        print(json.dumps(whole | {"best": str(best), "trials": each}))
        return 0
    for way in tried:
        print(f"{way!s:30} {tried[way]:6.1f}/s")
    print(
        f"the limit: {found.rate:.1f} images/s on {found.cores:.1f} cores "
        f"({options.processes} processes, {best}, {len(images)} pictures)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
