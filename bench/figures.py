"""What `make bench` must show: the bars, and how rounds become a figure. Pure.

A figure that compares two sides is the ratio of their medians over the rounds; its spread is the least
and the greatest ratio of a single round, in which both stood a moment apart on the same machine.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Unit = Literal["", "ms"]


@dataclass(frozen=True)
class Bar:
    """What a figure is to reach.

    Attributes:
        title: what is divided by what.
        bound: the least that will do, or the most.
        at_least: which of the two it is.
        unit: of the figure; nothing for a ratio.
    """

    title: str
    bound: float
    at_least: bool = True
    unit: Unit = ""

    def met(self, value: float) -> bool:
        """Whether a figure reaches it."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        sign, unit = "≥" if self.at_least else "≤", f" {self.unit}" * bool(self.unit)
        return f"{sign} {self.bound:g}{unit}"


THROUGHPUT: Final = "throughput, 32 connections, multipart, distinct pictures ÷ "
BARS: Final[dict[str, Bar]] = {
    "limit": Bar(THROUGHPUT + "the limit (decode and infer in process)", 0.90),
    "mosec": Bar(THROUGHPUT + "mosec, same engine, raw body", 1.0),
    "litserve": Bar(THROUGHPUT + "LitServe, same engine, multipart", 1.1),
    "classic": Bar(THROUGHPUT + "the classic design", 20),
    "litserve-tensorflow": Bar(THROUGHPUT + "LitServe with TensorFlow", 2),
    "gateway": Bar(
        "gateway through Redis, null engine, multipart 107 KB ÷ Hypercorn's bare echo of the raw body",
        0.75,
    ),
    "single": Bar(
        "one client, one picture at a time: total - decode - inference",
        5,
        at_least=False,
        unit="ms",
    ),
    "openloop": Bar(
        "Poisson at half the maximum rate: p99 ÷ one picture's decode + inference",
        4,
        at_least=False,
    ),
    "bulk": Bar(
        "the same with a full bulk lane behind it: p99 ÷ without",
        2,
        at_least=False,
    ),
    "cached": Bar("pictures known already (cached): rate ÷ uncached rate", 5),
    "large": Bar(
        "ten pictures of 12 megapixels: the decoder's processor time, in process ÷ that of full-scale decoding",
        0.5,
        at_least=False,
    ),
    "memory": Bar(
        "bytes of Redis' memory that a queued 110 KB image costs ÷ its size",
        1.3,
        at_least=False,
    ),
}


@dataclass(frozen=True)
class Figure:
    """A row of the report.

    Attributes:
        name: of its bar, or of what it was compared with.
        value: the median, or the ratio of two medians.
        low: of a single round, the least.
        high: the greatest.
    """

    name: str
    value: float
    low: float
    high: float
    title: str = ""

    @property
    def bar(self) -> Bar | None:
        """What it is to reach, where that was said."""
        return BARS.get(self.name)

    @property
    def heading(self) -> str:
        """What was measured, in words."""
        return self.title or (self.bar.title if self.bar else self.name)

    @property
    def unit(self) -> Unit:
        return self.bar.unit if self.bar else ""

    @property
    def verdict(self) -> str:
        """Met, missed, or that there is no bar."""
        if self.bar is None:
            return "no bar"
        return "met" if self.bar.met(self.value) else "missed"


def median(name: str, values: Sequence[float]) -> Figure:
    """A figure that compares nothing: the median of the rounds."""
    return Figure(name, statistics.median(values), min(values), max(values))


def ratio(
    name: str, ours: Sequence[float], theirs: Sequence[float], title: str = ""
) -> Figure:
    """The ratio of two medians.

    Args:
        name: of the figure.
        ours: a value a round.
        theirs: those of the same rounds.
        title: for a figure that has no bar.

    Raises:
        ValueError: a side had a round without a right answer.
    """
    if not all((*ours, *theirs)):
        raise ValueError(f"{name}: a round without a right answer")
    each = [one / other for one, other in zip(ours, theirs, strict=True)]
    value = statistics.median(ours) / statistics.median(theirs)
    return Figure(name, value, min(each), max(each), title)


@dataclass
class Found:
    """What a measurement found.

    Attributes:
        figures: rows of the report.
        rounds: what each side's rounds saw, by the side's title; for the JSON file and the plots.
        errors: requests that failed.
        wrong: answers that were not their picture's.
        notes: what a reader has to know beside the figures.
    """

    figures: list[Figure] = field(default_factory=list)
    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    errors: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)
