"""What reports say together: counts by category, what is mistaken for what, and calibration.

Pure: reports in, figures out. Each answer counts once, by the latest report about it.

Calibration as in Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: answers in ten bins
by their score, in each bin the share that was right beside the mean score; the expected calibration
error is the mean distance of the two, weighted by the answers in each bin.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

BINS: Final = 10
MOST_CATEGORIES: Final = 8  # in the matrix
STEPS: Final = 5  # of its shading
Z_95: Final = 1.96  # standard deviations either side of the mean that hold 95 %


@dataclass(frozen=True)
class Judged:
    """One answer that somebody has judged.

    Attributes:
        right: whether it was.
        answered: the label, or empty.
        label: what would have been right, or empty.
        score: of the answer, or None.
    """

    right: bool
    answered: str = ""
    label: str = ""
    score: float | None = None


@dataclass(frozen=True)
class Count:
    """How often a category was answered, and judged."""

    label: str
    right: int
    wrong: int

    @property
    def total(self) -> int:
        """All judgements."""
        return self.right + self.wrong


@dataclass(frozen=True)
class Cell:
    """How often one category was answered where another was right, and its step of shading."""

    pairs: int
    step: int


@dataclass(frozen=True)
class Matrix:
    """What was answered (rows), where something else was right (columns).

    Attributes:
        labels: the categories that are involved most often.
        rows: their cells; where others are involved as well, the last row and column are theirs.
        others: whether they are.
        pairs: all of them.
    """

    labels: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    others: bool = False
    pairs: int = 0


@dataclass(frozen=True)
class Bin:
    """Answers whose score is from ``lower`` to ``upper``.

    Attributes:
        n: how many; where there are none the rest is 0.
        score: their mean.
        share: of those that were right.
        low: where that share may lie, given so few of them: 95 %, Wilson's interval.
        high: likewise.
    """

    lower: float
    upper: float
    n: int = 0
    score: float = 0.0
    share: float = 0.0
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True)
class Calibration:
    """Whether a score is the share of answers that are right.

    Attributes:
        n: answers with a score.
        error: the expected calibration error, 0 to 1.
    """

    bins: tuple[Bin, ...] = ()
    n: int = 0
    error: float = 0.0

    @property
    def most(self) -> int:
        """Answers in the fullest bin."""
        return max((one.n for one in self.bins), default=0)


@dataclass(frozen=True)
class Figures:
    """All of it."""

    counts: tuple[Count, ...] = ()
    right: int = 0
    wrong: int = 0
    matrix: Matrix = Matrix()
    calibration: Calibration = Calibration()


def of(judged: Sequence[Judged]) -> Figures:
    """The figures of these answers, each judged once."""
    right = sum(one.right for one in judged)
    return Figures(
        counts(judged),
        right,
        len(judged) - right,
        matrix(
            (one.answered, one.label)
            for one in judged
            if not one.right and one.answered and one.label not in ("", one.answered)
        ),
        calibration(
            [(one.score, one.right) for one in judged if one.score is not None]
        ),
    )


def counts(judged: Iterable[Judged]) -> tuple[Count, ...]:
    """By what was answered, the most often judged first."""
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for one in judged:
        (right if one.right else wrong)[one.answered] += 1
    found = (Count(name, right[name], wrong[name]) for name in {*right, *wrong})
    return tuple(sorted(found, key=lambda one: (-one.total, -one.wrong, one.label)))


def matrix(pairs: Iterable[tuple[str, str]]) -> Matrix:
    """Of pairs of answered and right categories, the most involved ones by name."""
    counted = Counter(pairs)
    involved: Counter[str] = Counter()
    for (answered, label), n in counted.items():
        involved[answered] += n
        involved[label] += n
    ranked = sorted(involved, key=lambda name: (-involved[name], name))
    labels = tuple(ranked[:MOST_CATEGORIES])
    others = len(ranked) > len(labels)
    place = {name: at for at, name in enumerate(labels)}
    side = len(labels) + others
    cells = [[0] * side for _ in range(side)]
    for (answered, label), n in counted.items():
        cells[place.get(answered, side - 1)][place.get(label, side - 1)] += n
    most = max((n for row in cells for n in row), default=0)
    rows = tuple(tuple(Cell(n, step(n, most)) for n in row) for row in cells)
    return Matrix(labels, rows, others, counted.total())


def step(n: int, most: int) -> int:
    """How dark a cell is: 0 for none, and up to STEPS for the most."""
    return math.ceil(STEPS * n / most) if most else 0


def calibration(scored: Sequence[tuple[float, bool]]) -> Calibration:
    """Of scores, and whether each answer was right."""
    members: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for score, right in scored:
        members[min(int(score * BINS), BINS - 1)].append((score, right))
    bins = tuple(_bin(at, inside) for at, inside in enumerate(members))
    n = len(scored)
    error = sum(one.n * abs(one.share - one.score) for one in bins) / n if n else 0.0
    return Calibration(bins, n, error)


def _bin(at: int, inside: Sequence[tuple[float, bool]]) -> Bin:
    lower, upper, n = at / BINS, (at + 1) / BINS, len(inside)
    if not n:
        return Bin(lower, upper)
    share = sum(right for _, right in inside) / n
    mean = math.fsum(score for score, _ in inside) / n
    low, high = wilson(share, n)
    return Bin(lower, upper, n, mean, share, low, high)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Between which shares the true one lies, in 95 of 100 such cases (E. B. Wilson, 1927)."""
    spread = Z_95 * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n * n))
    middle = share + Z_95**2 / (2 * n)
    scale = 1 + Z_95**2 / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
