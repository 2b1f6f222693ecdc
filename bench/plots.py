"""The plots of `make bench`: who does how many images a second, and how long people wait."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")  # no screen

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from bench.figures import Found
from bench.rates import LIMIT, PICTOR
from bench.waits import BULK, POISSON

OURS: Final = "#1f6f8b"
OTHERS: Final = "#b8bfc6"
BOUND: Final = "#444444"
WHISKERS: Final = "#e0a458"
BESIDE: Final = "#c8553d"
DPI: Final = 150


def throughput(found: Found, source: str, path: Path) -> None:
    """Bars with the medians of the rounds, the slowest and the fastest round as whiskers."""
    rates = {name: [one["rate"] for one in of] for name, of in found.rounds.items()}
    names = sorted(rates, key=lambda name: statistics.median(rates[name]))
    medians = [statistics.median(rates[name]) for name in names]
    below = [m - min(rates[name]) for m, name in zip(medians, names, strict=True)]
    above = [max(rates[name]) - m for m, name in zip(medians, names, strict=True)]
    colours = [{PICTOR: OURS, LIMIT: BOUND}.get(name, OTHERS) for name in names]
    figure, axes = plt.subplots(figsize=(8, 1.4 + 0.5 * len(names)))
    whiskers = {"ecolor": WHISKERS, "capsize": 3}
    axes.barh(names, medians, xerr=[below, above], color=colours, error_kw=whiskers)
    for at, (median, more) in enumerate(zip(medians, above, strict=True)):
        axes.text(median + more, at, f"  {median:.0f}", va="center", fontsize=9)
    axes.margins(x=0.1)
    axes.set_xlabel(
        "images a second (median of the rounds; whiskers: slowest, fastest)"
    )
    axes.set_title("Throughput, 32 connections, distinct pictures", loc="left")
    _finish(figure, axes, source, path)


def latency(found: Found, source: str, path: Path) -> None:
    """What share of the requests took at most how long, all rounds together."""
    figure, axes = plt.subplots(figsize=(8, 4.5))
    longest = 0.0
    for name, colour in ((POISSON, OURS), (BULK, BESIDE)):
        if not (latencies := sorted(_latencies(found.rounds.get(name, ())))):
            continue
        shares = [100 * (at + 1) / len(latencies) for at in range(len(latencies))]
        p99 = latencies[min(int(0.99 * len(latencies)), len(latencies) - 1)]
        longest = max(longest, p99)
        label = f"{name} ({len(latencies)} requests)"
        axes.step(latencies, shares, where="post", color=colour, label=label)
        axes.axvline(p99, color=colour, linestyle=":", linewidth=1)
        axes.text(p99, 3, f"p99 {p99:.0f} ms ", color=colour, fontsize=9, ha="right")
    axes.set_xlim(0, 1.3 * longest or 1)
    axes.set_ylim(0, 101)
    axes.set_xlabel("latency, milliseconds from the moment a request was due")
    axes.set_ylabel("requests, % of all")
    axes.set_title("Poisson arrivals at half the maximum rate", loc="left")
    axes.legend(loc="center right", facecolor="white", edgecolor="none", framealpha=1)
    _finish(figure, axes, source, path)


def _latencies(rounds: Sequence[Mapping[str, Any]]) -> list[float]:
    return [ms for one in rounds for ms in one["latencies_ms"]]


def _finish(figure: Figure, axes: Any, source: str, path: Path) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    figure.text(0.01, 0.01, f"Source: {source}", fontsize=7, color="#666666")
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    figure.savefig(path, dpi=DPI)
    plt.close(figure)
