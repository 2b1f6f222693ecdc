"""Trials: who is measured how often, and with what pictures. Real processes: tests/integration/test_calibrate.py."""

import io
import time

import pytest
from PIL import Image, ImageChops

from inference.layout import Point, Shape
from inference.specimens import HEIGHT, WIDTH, specimen
from inference.sweep import CrewFailed, sweep

FAST, SLOWER, SLOW = Shape(4, 1), Shape(2, 2), Shape(1, 1)
SHAPES, BATCHES = [FAST, SLOWER, SLOW], [1, 4]


class Field:
    """What a sweep starts; its crews say what they were told to, trial after trial."""

    def __init__(self, rates: dict[Shape, list[float]]) -> None:
        self._rates = {shape: iter(its) for shape, its in rates.items()}
        self.asked: list[tuple[Shape, int]] = []
        self.open: set[Shape] = set()

    def start(self, shape: Shape) -> "FieldCrew":
        if shape not in self._rates:
            raise CrewFailed("no")
        self.open.add(shape)
        return FieldCrew(self, shape)

    def measure(self, shape: Shape, batch: int) -> float:
        assert shape in self.open
        self.asked.append((shape, batch))
        try:
            return next(self._rates[shape])
        except StopIteration:
            raise CrewFailed("gone") from None


class FieldCrew:
    def __init__(self, field: Field, shape: Shape) -> None:
        self._field, self._shape = field, shape

    def measure(self, batch: int, seconds: float) -> float:
        return self._field.measure(self._shape, batch)

    def close(self) -> None:
        self._field.open.remove(self._shape)


def swept(field: Field, *, until_s: float = 60) -> list[Point]:
    found = sweep(
        SHAPES,
        BATCHES,
        field.start,
        rounds=3,
        trial_s=0.1,
        until=time.monotonic() + until_s,
        tell=lambda text: None,
    )
    assert not field.open
    return found


def test_trials_take_turns_and_the_best_counts() -> None:
    field = Field({shape: [9, 8, 10, 7, 8, 9] for shape in SHAPES})
    assert swept(field) == [
        Point(shape, batch, rate)
        for shape in SHAPES
        for batch, rate in zip(BATCHES, (10, 9), strict=True)
    ]
    assert field.asked == 3 * [(shape, n) for shape in SHAPES for n in BATCHES]


def test_what_falls_behind_within_a_round_is_tried_no_more_in_it() -> None:
    """It was as good as the others until one of them found its best."""
    fast = [50.0, 50.0, 100.0, 100.0, 100.0, 100.0]
    field = Field({FAST: fast, SLOWER: [50.0] * 6, SLOW: [50.0] * 6})
    assert len(swept(field)) == 6
    assert [field.asked.count((shape, 4)) for shape in SHAPES] == [3, 1, 1]


def test_what_is_hopeless_is_tried_once() -> None:
    field = Field({FAST: [100.0] * 6, SLOWER: [80.0] * 6, SLOW: [20.0, 70.0]})
    assert len(swept(field)) == 6
    assert [field.asked.count((shape, 4)) for shape in SHAPES] == [3, 3, 1]


def test_one_that_turns_out_hopeless_later_is_dropped_then() -> None:
    field = Field({FAST: [20.0, 20.0], SLOWER: [100.0] * 6, SLOW: [90.0] * 6})
    swept(field)
    assert field.asked.count((FAST, 1)) == 1


def test_one_that_cannot_be_started_or_dies_does_not_end_the_others() -> None:
    field = Field({FAST: [50.0, 50.0, 50.0], SLOW: [60.0] * 6})
    assert {point.shape for point in swept(field)} == {SLOW}
    assert swept(Field({})) == []


def test_no_round_begins_when_time_is_up() -> None:
    field = Field({shape: [10.0] * 6 for shape in SHAPES})
    assert len(swept(field, until_s=-1)) == 6
    assert len(field.asked) == 6


def test_what_it_started_ends_whatever_happens() -> None:
    field = Field({FAST: [1.0] * 6})

    def interrupted(text: str) -> None:
        if "round 2" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(
            *([FAST], BATCHES, field.start),
            rounds=3,
            trial_s=0.1,
            until=time.monotonic() + 60,
            tell=interrupted,
        )
    assert not field.open


def test_specimens_are_usual_pictures_and_no_two_are_alike() -> None:
    files = [specimen(number) for number in range(4)]
    assert len(set(files)) == 4
    assert specimen(0) == files[0]
    for data in files:
        assert 80_000 <= len(data) <= 130_000
    first, second = (Image.open(io.BytesIO(data)).convert("RGB") for data in files[:2])
    assert first.size == (WIDTH, HEIGHT)
    assert ImageChops.difference(first, second).getbbox() is not None
