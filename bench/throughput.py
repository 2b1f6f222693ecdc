"""``python -m bench.throughput``: images a second and latency of a running Pictor, under N clients.

Measured: whole multipart ``POST /predict`` requests over loopback, each with bytes that no cache has
seen, from the first byte sent to the last received. The client shares the cores with the system; what
it took itself is printed. Every answer is compared with the right one for its picture, computed here
beforehand with the same model. Not measured: connecting, warming up, networks.

``--with-limit`` takes turns with `bench.limit`, each idle while the other runs, and says what share of
the in-process limit the whole system reaches: the ratio of the two medians, since a machine's speed
drifts from round to round.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # run as bench/throughput.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import uvloop

from bench import pictures, reference
from bench.clients import Expected, Load, Round
from bench.connection import Address
from bench.layouts import BATCHES, LAYOUTS, Way
from bench.limit import Limit, Measured, shared, ways
from bench.pictures import Picture
from common.errors import StartError
from common.settings import Settings, usable_cores


def expected(settings: Settings, given: Sequence[Picture]) -> list[Expected]:
    """The right answer of each picture, computed in this process."""
    spec = reference.prepared(settings)
    engine = reference.engine(settings, spec, usable_cores())
    found = []
    for picture in given:
        row = engine.run(reference.pixels(settings, spec, picture.data)[None])[0]
        best = int(row.argmax())
        found.append(Expected(picture, spec.labels[best].label, float(row[best])))
    engine.close()
    return found


def batches(url: str | None) -> tuple[float, float]:
    """Images and micro-batches that the workers counted until now."""
    if url is None:
        return 0.0, 0.0
    text = urllib.request.urlopen(url, timeout=5).read().decode()
    values = dict(
        line.split() for line in text.splitlines() if line.startswith("pictor_batch_")
    )
    name = "pictor_batch_size_images"
    return float(values.get(f"{name}_sum", 0)), float(values.get(f"{name}_count", 0))


def loaded(
    load: Load, seconds: float, metrics_url: str | None, loop: asyncio.AbstractEventLoop
) -> Round:
    """One round against the system, with the mean batch of its time."""
    images, count = batches(metrics_url)
    seen = loop.run_until_complete(load.round(seconds))
    more_images, more = batches(metrics_url)
    if more > count:
        seen.batch = (more_images - images) / (more - count)
    return seen


def fastest(limit: Limit) -> Way:
    """The way to lay out the in-process work that is fastest here."""
    tried = limit.trials(ways(LAYOUTS, BATCHES))
    return max(tried, key=tried.__getitem__)


def main() -> int:
    settings = Settings.load()
    options = _parse(settings)
    given = pictures.load(options.images)
    print(f"computing the right answers of {len(given)} pictures ...", flush=True)
    right = expected(settings, given)
    rounds: list[Round] = []
    limits: list[Measured] = []
    loop = uvloop.new_event_loop()
    load = Load(Address.of(options.url), right, options.clients)
    with contextlib.ExitStack() as stack:
        if options.with_limit:
            images = [picture.data for picture in given]
            limit = stack.enter_context(Limit.of(settings, images, usable_cores()))
            way = fastest(limit)
            print(f"the limit's fastest way here: {way}", flush=True)
        for _ in range(options.rounds):
            if options.with_limit:
                limits.append(limit.measure(way, options.seconds))
                print(f"limit   {limits[-1]}", flush=True)
            rounds.append(loaded(load, options.seconds, options.worker_metrics, loop))
            print(f"system  {rounds[-1]}", flush=True)
    load.close()
    return _report(options, rounds, limits)


def _report(
    options: argparse.Namespace, rounds: Sequence[Round], limits: Sequence[Measured]
) -> int:
    rate = statistics.median(one.rate for one in rounds)
    errors = sum(one.errors for one in rounds)
    wrong = sum(one.wrong for one in rounds)
    found = {"images_per_s": round(rate, 1), "errors": errors, "wrong": wrong}
    ratio = None
    if limits:
        limit = statistics.median(one.rate for one in limits)
        ratio = rate / limit
        each = [one.rate / at.rate for one, at in zip(rounds, limits, strict=True)]
        found["ratio"] = round(ratio, 3)
        print(
            f"medians: system {rate:.1f}, limit {limit:.1f} images/s; "
            f"ratio {ratio:.2f} (rounds {min(each):.2f} to {max(each):.2f})"
        )
        cores = statistics.median(at.cores for at in limits)
        found["limit_cores"] = round(cores, 2)
        if shared(cores):
            print("others use this machine: that helps whoever has more processes")
    if options.json:
        options.json.write_text(json.dumps(found) + "\n")
    missed = ratio is not None and ratio < options.at_least_ratio
    return 1 if errors or wrong or missed or not rate else 0


def _parse(settings: Settings) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.throughput", description=__doc__)
    parser.add_argument("--url", default=f"http://127.0.0.1:{settings.port}")
    parser.add_argument(
        "--images", type=Path, help="a folder; default: cut-outs of photographs"
    )
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=8.0, help="a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--worker-metrics",
        metavar="URL",
        default=f"http://127.0.0.1:{settings.worker_metrics_port}/metrics",
        type=lambda url: url or None,
        help="of the workers, for the mean batch; empty: not asked for",
    )
    parser.add_argument("--with-limit", action="store_true")
    parser.add_argument(
        "--at-least-ratio", type=float, default=0.0, help="else exit status 1"
    )
    parser.add_argument("--json", type=Path, help="a file for the summary")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, StartError) as problem:
        print(f"throughput: {problem}", file=sys.stderr)
        sys.exit(2)
