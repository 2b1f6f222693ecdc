"""Images a second that a worker really reaches while it has enough to do.

The cost of a batch (`inference.batcher`) says what the engine could do; decoding, Redis and what else
runs on the machine take their share. Gateways compute waiting times from this, so it is measured where
batches end, and only between two ends with the next batch always in hand.
"""

from dataclasses import dataclass
from typing import Final

FORGETTING: Final = 0.9  # weight of a measurement after one more; half after 7 batches
OUTLIER: Final = 4.0  # times what was expected: Redis was away, or the machine asleep


@dataclass
class Pace:
    """Told of each batch's end; pure, without a clock of its own."""

    _images: float = 0.0
    _seconds: float = 0.0
    _since: float | None = None

    def ended(self, images: int, now: float, *, more: bool) -> None:
        """A batch has ended.

        Args:
            images: in it, those that were not run included.
            now: seconds, of any clock.
            more: another batch is in hand already, so that the time until its end is all work.
        """
        if self._since is not None:
            seconds = now - self._since
            if self._images:  # a real slowdown is still followed, a few batches later
                seconds = min(seconds, OUTLIER * images * self._seconds / self._images)
            self._images = FORGETTING * self._images + images
            self._seconds = FORGETTING * self._seconds + seconds
        self._since = now if more else None

    def images_per_s(self, otherwise: float) -> float:
        """What was measured, or `otherwise` where nothing was yet."""
        return self._images / self._seconds if self._seconds > 0 else otherwise
