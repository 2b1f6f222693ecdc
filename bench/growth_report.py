"""The report of `bench.scale`: Markdown for people, JSON for programs, and a picture."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench.growth import PARTS, Point, Verdict, flat, linear, per_byte
from bench.machine import BUSY, facts
from common.settings import usable_cores

HEAD: Final = (
    "| {} | a second (slowest to fastest round) | images a batch | engines at work | "
    + " | ".join(f"{part} ms" for part in PARTS)
    + " | others, cores | errors | what holds back |\n|"
    + "---|" * (len(PARTS) + 7)
)
FLAT_PARTS: Final = {
    "backlog, fed through Redis": ("Redis", "workers"),
    "backlog, asked over HTTP before it": ("gateway",),
}


def sweeps(points: Sequence[Point]) -> dict[str, list[Point]]:
    """The points of each sweep, smallest first."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.sweep, []).append(point)
    return found


def verdicts(points: Sequence[Point]) -> list[Verdict]:
    """All that can be said by formula."""
    found: list[Verdict] = []
    for name, each in sweeps(points).items():
        if len(each) < 2:
            continue
        if name in FLAT_PARTS:
            found += flat(each, FLAT_PARTS[name])
        elif name.startswith("workers"):
            found += linear(each, usable_cores())
        elif name.startswith("bytes"):
            found += per_byte(each, PARTS)
    return found


def markdown(points: Sequence[Point], rounds: int, seconds: float) -> str:
    """The whole report."""
    cores = usable_cores()
    lines = [
        "# Growth",
        "",
        "`python -m bench.scale`; what is measured, and what not, stands in its first lines.",
        f"{rounds} rounds of {seconds:g} s a point, interleaved; medians. {cores} cores, "
        f"{platform.machine()}, Python {platform.python_version()}, "
        f"load before the report {os.getloadavg()[0]:.1f}.",
        "Processor milliseconds are a request's; the gateway's a request's over HTTP.",
    ]
    every = [one.others / one.seconds for point in points for one in point.windows]
    if (others := statistics.median(every)) > BUSY * cores:
        lines.append(
            f"**Others used {others:.1f} cores: these ratios are worth little.**"
        )
    for name, each in sweeps(points).items():
        lines += ["", f"## {name}", "", HEAD.format(name.split(",")[0])]
        lines += [_row(point, cores) for point in each]
        if any(len(point.spread) > 1 for point in each):
            said = "; ".join(f"{p.size}: {', '.join(map(str, p.spread))}" for p in each)
            lines += ["", f"Connections of each gateway process, last round: {said}."]
    lines += ["", "## Verdicts", "", "| formula | value | holds |", "|---|---|---|"]
    return "\n".join([*lines, *map(str, verdicts(points)), ""])


def _row(point: Point, cores: int) -> str:
    low, high = point.rates
    costs = " | ".join(f"{point.cost_ms(part):.3f}" for part in PARTS)
    others = point.median(lambda one: one.others / one.seconds)
    return (
        f"| {point.size:,} | {point.rate:,.0f} ({low:,.0f} to {high:,.0f}) "
        f"| {point.batch:.1f} | {point.at_work:.0%} | {costs} | {others:.2f} | {point.errors} "
        f"| {point.bottleneck(cores)} |"
    )


def summary(points: Sequence[Point]) -> dict[str, Any]:
    """All of it, for a file."""
    cores = usable_cores()
    return {
        "machine": facts(),
        "points": [
            asdict(point)
            | {
                "rate": point.rate,
                "cost_ms": {part: point.cost_ms(part) for part in PARTS},
                "images_a_batch": point.batch,
                "engines_at_work": point.at_work,
                "bottleneck": point.bottleneck(cores),
            }
            for point in points
        ],
        "verdicts": [asdict(verdict) for verdict in verdicts(points)],
    }


def write(points: Sequence[Point], folder: Path, rounds: int, seconds: float) -> None:
    """Prints the report and writes ``scale.md``, ``scale.json`` and ``scale.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(points, rounds, seconds)
    print(text)
    (folder / "scale.md").write_text(text)
    (folder / "scale.json").write_text(json.dumps(summary(points), indent=1) + "\n")
    plot(points, folder / "scale.png")


def plot(points: Sequence[Point], path: Path) -> None:
    """Rate above, processor time a request below; a column a sweep."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        print("no picture, matplotlib is not installed: make setup-dev")
        return
    found = sweeps(points)
    figure = Figure(figsize=(4 * len(found), 7), layout="constrained")
    axes = figure.subplots(2, len(found), squeeze=False)
    for (name, each), (above, below) in zip(found.items(), axes.T, strict=True):
        sizes = [str(point.size) for point in each]
        low = [point.rate - point.rates[0] for point in each]
        high = [point.rates[1] - point.rate for point in each]
        above.errorbar(sizes, [p.rate for p in each], [low, high], marker="o")
        above.set(title=name, ylabel="requests a second", ylim=(0, None))
        for part in PARTS:
            costs = [point.cost_ms(part) for point in each]
            below.plot(sizes, costs, marker="o", label=part)
        below.set(ylabel="processor ms a request", ylim=(0, None))
        below.legend()
    figure.savefig(path, dpi=100)
