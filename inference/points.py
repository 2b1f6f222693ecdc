"""What batches of each size cost lately, beside the line that `inference.batcher.Cost` fits to them."""

from typing import Final

MOST: Final = 16  # sizes; those that were measured last
WEIGHT: Final = 0.1  # of the newest measurement in the mean of its size


class Points:
    """Exponentially forgotten means by batch size; pure."""

    def __init__(self) -> None:
        self._means: dict[int, float] = {}  # the size that was measured last, last

    def measured(self, images: int, ms: float) -> None:
        """Takes in one batch: its size and its time in milliseconds."""
        mean = self._means.pop(images, None)
        if mean is not None:
            ms = mean + WEIGHT * (ms - mean)
        elif len(self._means) >= MOST:
            del self._means[next(iter(self._means))]
        self._means[images] = ms

    def means(self, beside_ms: float = 0.0) -> tuple[tuple[int, float], ...]:
        """By size: the size, and the mean in milliseconds, with this much added to each."""
        return tuple((n, ms + beside_ms) for n, ms in sorted(self._means.items()))
