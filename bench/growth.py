"""What growth costs: windows of a run, processor time by part, and who holds the rate back. Pure."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

PARTS: Final = ("gateway", "Redis", "workers", "client")
WHOLE: Final = 0.8  # of a core, from which a process counts as having no more of it
ENGINE: Final = 0.85  # of the time, from which the engines count as always at work
FLAT: Final = 1.15  # times the cost before growing, that still count as flat
LINEAR: Final = 0.85  # of the rate of one worker each, that still count as linear


@dataclass(frozen=True)
class Window:
    """What happened within some seconds.

    Attributes:
        seconds: its length.
        ended: requests that ended in it.
        asked: those of them that came over HTTP.
        spent: processor seconds by part, all its processes together.
        busiest: processor seconds of a part's busiest process.
        others: processor seconds of the machine that none of the parts took.
        errors: requests that failed, and answers that were another's.
        batches: that the workers ran, all together.
        images: in them.
    """

    seconds: float
    ended: int
    asked: int
    spent: dict[str, float]
    busiest: dict[str, float]
    others: float = 0.0
    errors: int = 0
    batches: int = 0
    images: int = 0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.ended / self.seconds

    def cost_ms(self, part: str) -> float:
        """Processor milliseconds a request; of the gateway, a request over HTTP."""
        requests = self.asked if part == "gateway" else self.ended
        return 1000 * self.spent.get(part, 0.0) / requests if requests else 0.0

    def cores(self, part: str) -> float:
        """Cores that a part kept busy."""
        return self.spent.get(part, 0.0) / self.seconds


@dataclass
class Point:
    """One size of what grows, and its windows, one a round.

    Attributes:
        sweep: what is compared with what.
        size: of what grows.
        workers: so many.
        engine: milliseconds of a batch, and of each image in it.
        spread: connections of each gateway process, in the last round; where that was looked at.
    """

    sweep: str
    size: int
    workers: int
    engine: tuple[float, float]
    windows: list[Window] = field(default_factory=list)
    spread: list[int] = field(default_factory=list)

    def median(self, value: Callable[[Window], float]) -> float:
        """Of a figure over the rounds."""
        return statistics.median(map(value, self.windows))

    @property
    def rate(self) -> float:
        """Requests a second, the median."""
        return self.median(lambda one: one.rate)

    @property
    def rates(self) -> tuple[float, float]:
        """Those of the slowest and the fastest round."""
        each = [one.rate for one in self.windows]
        return min(each), max(each)

    @property
    def errors(self) -> int:
        """Over all rounds."""
        return sum(one.errors for one in self.windows)

    def cost_ms(self, part: str) -> float:
        """Processor milliseconds a request, the median."""
        return self.median(lambda one: one.cost_ms(part))

    @property
    def batch(self) -> float:
        """Images in a batch, the median."""
        return self.median(lambda one: one.images / max(one.batches, 1))

    @property
    def at_work(self) -> float:
        """Share of the time in which an engine waits as t(n) says, not longer; the median."""
        fixed_ms, image_ms = self.engine
        return self.median(
            lambda one: (fixed_ms * one.batches + image_ms * one.images)
            / (1000 * one.seconds * self.workers)
        )

    def bottleneck(self, cores: int) -> str:
        """What holds the rate back, in words.

        The engines, where they are hardly ever without work; else a part of which a process has a
        whole core; else the cores, where all are busy; else nothing by itself: each waits for others.
        """
        if self.at_work >= ENGINE:
            return "the engines"
        busiest = {part: self._busiest(part) for part in PARTS}
        used = {part: self._cores(part) for part in PARTS}
        first = max(used, key=used.__getitem__)
        whole = max(busiest, key=busiest.__getitem__)
        if busiest[whole] >= WHOLE:
            return f"{whole}: one process, {busiest[whole]:.1f} cores"
        others = self.median(lambda one: one.others / one.seconds)
        if sum(used.values()) + others >= WHOLE * cores:
            with_others = f", others {others:.1f}" if others >= 0.1 else ""
            return f"all {cores} cores ({first} {used[first]:.1f}{with_others})"
        return f"nothing by itself; most by {first}, {used[first]:.1f} cores"

    def _busiest(self, part: str) -> float:
        return self.median(lambda one: one.busiest.get(part, 0.0) / one.seconds)

    def _cores(self, part: str) -> float:
        return self.median(lambda one: one.cores(part))


@dataclass(frozen=True)
class Verdict:
    """A figure by formula, and whether it is as it should be; None where there is no bar."""

    formula: str
    value: float
    good: bool | None = None

    def __str__(self) -> str:
        said = {True: "yes", False: "NO", None: ""}[self.good]
        return f"| {self.formula} | {self.value:.2f} | {said} |"


def flat(points: Sequence[Point], parts: Sequence[str]) -> list[Verdict]:
    """Whether a request costs at the largest size what it costs at the smallest, and the rate too."""
    first, last = points[0], points[-1]
    found = []
    for part in parts:
        value = last.cost_ms(part) / max(first.cost_ms(part), 1e-9)
        formula = f"{last.sweep}: {part}, cost per request at {last.size:,} ÷ at {first.size:,}"
        found.append(Verdict(formula, value, value <= FLAT))
    value = last.rate / max(first.rate, 1e-9)
    formula = f"{last.sweep}: rate at {last.size:,} ÷ at {first.size:,}"
    return [*found, Verdict(formula, value, value >= 1 / FLAT)]


def linear(points: Sequence[Point], cores: int) -> list[Verdict]:
    """How near to its multiple the rate of one comes; it should, as long as the engine holds back."""
    first, last = points[0], points[-1]
    one = max(first.rate / first.size, 1e-9)
    found = []
    bound = [p for p in points[1:] if p.bottleneck(cores) == "the engines"]
    for point in dict.fromkeys(p.size for p in [*bound[-1:], last]):
        at = next(p for p in points if p.size == point)
        value = at.rate / (at.size * one)
        held = at.bottleneck(cores) == "the engines"
        formula = (
            f"{at.sweep}: rate at {at.size} ÷ {at.size} × rate at {first.size}"
            f" (holds back: {at.bottleneck(cores)})"
        )
        found.append(Verdict(formula, value, value >= LINEAR if held else None))
    return found


def per_byte(points: Sequence[Point], parts: Sequence[str]) -> list[Verdict]:
    """What a megabyte more costs a part, in milliseconds: the slope between smallest and largest."""
    first, last = points[0], points[-1]
    megabytes = (last.size - first.size) / 1e6
    return [
        Verdict(
            f"{last.sweep}: {part}, ms a MB",
            (last.cost_ms(part) - first.cost_ms(part)) / megabytes,
        )
        for part in parts
    ]
