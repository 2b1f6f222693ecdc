"""Which shape is measured when: short trials in turns, and no more of what is hopeless.

Pure but for the clock: `inference.trials` has the processes.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from common.errors import PictorError
from inference.layout import Point, Shape

HOPELESS: Final = 0.75  # of the best rate; a shape below this is tried no more


class CrewFailed(PictorError):
    """A process of a crew did not come up, or has gone."""


class Measures(Protocol):
    """What `sweep` needs of a crew."""

    def measure(self, batch: int, seconds: float) -> float: ...

    def close(self) -> None: ...


def sweep(
    shapes: Sequence[Shape],
    batches: Sequence[int],
    start: Callable[[Shape], Measures],
    *,
    rounds: int,
    trial_s: float,
    until: float,
    tell: Callable[[str], None],
) -> list[Point]:
    """The best of `rounds` short trials of each shape and batch size, which take turns.

    Args:
        shapes: in the order of preference.
        batches: sizes, in images.
        start: starts the processes of a shape; raises CrewFailed.
        rounds: the first is everybody's, the others are for those that are not hopeless.
        trial_s: seconds that a trial takes.
        until: after this time, by `time.monotonic`, no round begins.
        tell: is told how far it is.

    Returns:
        A point for each shape that came up and each size, in their order.
    """
    rates: dict[Shape, dict[int, float]] = {}
    crews: dict[Shape, Measures] = {}

    def measure(shape: Shape) -> None:
        try:
            if shape not in rates:
                crews[shape] = start(shape)
            rate = rates.setdefault(shape, dict.fromkeys(batches, 0.0))
            for batch in batches:
                rate[batch] = max(rate[batch], crews[shape].measure(batch, trial_s))
        except CrewFailed as error:
            tell(f"{shape} cannot be used: {error}")
            rates.pop(shape, None)
        _drop_hopeless(crews, rates)

    with contextlib.ExitStack() as closing:
        closing.callback(_drop, crews)
        for shape in shapes:
            tell(f"trying {shape}")
            measure(shape)
        for number in range(2, rounds + 1):
            if time.monotonic() > until:
                break
            tell(f"round {number}: {', '.join(str(shape) for shape in crews)}")
            for shape in list(crews):
                if shape in crews:  # another may have left it far behind meanwhile
                    measure(shape)
    return [
        Point(shape, batch, rate)
        for shape, by_batch in rates.items()
        for batch, rate in by_batch.items()
    ]


def _drop_hopeless(
    crews: dict[Shape, Measures], rates: dict[Shape, dict[int, float]]
) -> None:
    """Ends the processes of shapes that failed or are far behind."""
    tops = {shape: max(by_batch.values()) for shape, by_batch in rates.items()}
    enough = HOPELESS * max(tops.values(), default=0.0)
    for shape in [one for one in crews if tops.get(one, -1.0) < enough]:
        crews.pop(shape).close()


def _drop(crews: dict[Shape, Measures]) -> None:
    """Ends all that are left."""
    for shape in list(crews):
        crews.pop(shape).close()
