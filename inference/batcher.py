"""How many images the next micro-batch holds, and from which lane.

Pure: no Redis, no TensorFlow, no clock. `inference.worker` tells it what is queued and what batches
cost, and reads from the streams (`inference.consumer`) what it plans.

Work-conserving: an idle engine takes what is there at once. It never waits for company, and takes as
much company as pays: a batch grows as long as that brings more images a second, within the latency
target and without taking what another idle worker could start on.

People go first. A collection fills the slots they leave, as far as they do not wait for it: what is
in hand is not taken back, so a batch with a collection's pictures is no longer than one picture of
theirs takes, decoded and inferred. Tried by simulation in `tests/support/lanes.py`.
"""

import math
from dataclasses import dataclass, field
from typing import Final

from inference.points import Points

# A larger batch must bring at least this share of the best rate to be worth its longer wait.
GOOD_ENOUGH: Final = 0.99
# Of the images run while both lanes have work, the least share that is bulk's.
BULK_SHARE: Final = 0.1
# Batches of one worker ahead of an image that has just been added: one with the engine, one decoded.
AHEAD: Final = 2
# A batch with bulk in it lasts no longer than this many interactive pictures, one by one: while there
# are people, and when there have been none for the last QUIET batches (then it pays to take a few more;
# twice as many where it lets people by once it is decoded: who comes then waits for decoder or engine,
# not for one after the other).
SERVICES: Final = 1.0
SERVICES_IN_QUIET: Final = 2.0
SERVICES_LETTING_BY: Final = 4.0
QUIET: Final = 100
# Weight of a measurement after n more: FORGETTING ** n. Half after 34 batches.
FORGETTING: Final = 0.98
OUTLIER: Final = (
    4.0  # times the expected; a real slowdown is still followed, a few batches later
)
SURE_AFTER: Final = 5.0  # measurements
# Of the sizes measured, variance ÷ mean square: below this they are too much alike to tell a slope.
LEAST_SPREAD: Final = 0.01
BESIDE_WEIGHT: Final = (
    0.05  # of the newest, in the moving means of what is measured beside the engine
)


@dataclass
class Cost:
    """The time of a batch of n images, t(n) = fixed_ms + image_ms * n, fitted while running.

    Least squares with exponential forgetting (recursive sums; see e.g. Haykin, Adaptive Filter
    Theory, on the exponentially weighted method).
    """

    decode_ms: float = (
        0.0  # that decoding takes an image, while the engine runs another batch
    )
    _beside_ms: float = 0.0
    _weight: float = 0.0
    _n: float = 0.0
    _t: float = 0.0
    _nn: float = 0.0
    _nt: float = 0.0
    _slope_ms: float = 0.0  # when the sizes last told one
    _points: Points = field(default_factory=Points)

    def measured(self, images: int, ms: float) -> None:
        """Takes in one batch: its size and its time in milliseconds.

        One far longer than expected was not the engine's doing (a process stopped, a machine asleep).
        """
        if self._weight > SURE_AFTER:
            ms = min(ms, OUTLIER * (self.of(images) - self._beside_ms))
        self._points.measured(images, ms)
        self._weight = FORGETTING * self._weight + 1
        self._n = FORGETTING * self._n + images
        self._t = FORGETTING * self._t + ms
        self._nn = FORGETTING * self._nn + images * images
        self._nt = FORGETTING * self._nt + images * ms
        spread = self._weight * self._nn - self._n * self._n
        if spread > LEAST_SPREAD * self._nn * self._weight:
            self._slope_ms = (self._weight * self._nt - self._n * self._t) / spread

    def beside(self, ms: float) -> None:
        """Takes in what a batch cost beside the engine, in milliseconds; part of the fixed cost.

        Measured apart from the fit: while batches are all of one size, that sees no fixed cost,
        and sizes would never grow again.
        """
        self._beside_ms += BESIDE_WEIGHT * (ms - self._beside_ms)

    def decoded(self, images: int, ms: float) -> None:
        """Takes in how long it took to decode a batch: images, and milliseconds by the clock."""
        each = ms / images
        if self.decode_ms:
            each = min(each, OUTLIER * self.decode_ms)
            each = self.decode_ms + BESIDE_WEIGHT * (each - self.decode_ms)
        self.decode_ms = each

    @property
    def image_ms(self) -> float:
        """Milliseconds that one more image costs; positive once something was measured.

        While batches are all of one size, what was found before stands: else nothing would seem to be
        gained by another size, and none would ever be tried again.
        """
        through_origin = self._nt / self._nn if self._nn else 1.0
        if not self._slope_ms:
            return through_origin
        # Noise can tilt the line: it costs no less than a fiftieth of the mean, and no less than
        # nothing to start a batch.
        return min(max(self._slope_ms, through_origin / 50), through_origin)

    @property
    def fixed_ms(self) -> float:
        """Milliseconds that a batch costs whatever its size; never negative."""
        if not self._weight:
            return self._beside_ms
        fitted = (self._t - self.image_ms * self._n) / self._weight
        return max(0.0, fitted) + self._beside_ms

    @property
    def points(self) -> tuple[tuple[int, float], ...]:
        """What was measured lately, to be held against `of`: batch sizes, and mean milliseconds."""
        return self._points.means(self._beside_ms)

    def of(self, images: int) -> float:
        """The expected time of a batch in milliseconds."""
        return self.fixed_ms + self.image_ms * images

    @property
    def service_ms(self) -> float:
        """Milliseconds that one image alone takes, decoded and inferred."""
        return self.decode_ms + self.of(1)

    def rate(self, images: int) -> float:
        """Images a second at a batch size."""
        return 1000 * images / max(self.of(images), 1e-6)


@dataclass(frozen=True)
class Queued:
    """What waits, undelivered, in each lane, and how many workers share it."""

    interactive: int
    bulk: int
    workers: int = 1


@dataclass(frozen=True)
class Plan:
    """How many entries to take from each lane."""

    interactive: int
    bulk: int

    @property
    def images(self) -> int:
        return self.interactive + self.bulk


@dataclass
class Batcher:
    """Plans batches for one worker.

    Attributes:
        cost: what batches cost.
        latency_target_ms: an image that is added while AHEAD batches are in hand and goes with the next
            one should be answered within this time.
        max_batch: the engine's bound, in images.
        lets_by: people who come while a batch of bulk is decoded go before it.
    """

    cost: Cost
    latency_target_ms: float
    max_batch: int
    lets_by: bool = False
    _bulk_owed: float = field(default=0.0, init=False)
    _without_people: int = field(default=QUIET, init=False)  # batches, up to QUIET

    def preferred(self) -> int:
        """The batch size to grow to when there is enough to do."""
        largest = self._largest()
        enough = GOOD_ENOUGH * self.cost.rate(largest)
        return next(n for n in range(1, largest + 1) if self.cost.rate(n) >= enough)

    def plan(self, queued: Queued) -> Plan:
        """What to take now. Takes something whenever anything is queued."""
        waiting = queued.interactive + queued.bulk
        share = math.ceil(waiting / max(queued.workers, 1))
        size = min(self.preferred(), share)
        owed = 0
        if queued.interactive and queued.bulk:
            owed = min(int(self._bulk_owed), queued.bulk, size)
        interactive = min(queued.interactive, size - owed)
        spare = min(size, self._largest_with_bulk(queued)) - interactive
        return Plan(interactive, min(queued.bulk, max(owed, spare)))

    def took(self, plan: Plan, queued: Queued) -> None:
        """Keeps account of bulk's share; `plan` is what was taken in fact."""
        if queued.interactive and queued.bulk:
            self._bulk_owed += BULK_SHARE * plan.images - plan.bulk
            # A whole batch, and the part of an image that must wait to be one: nothing of it is forgotten.
            self._bulk_owed = min(max(self._bulk_owed, 0.0), self.max_batch + 1.0)
        else:
            self._bulk_owed = 0.0
        people = plan.interactive or queued.interactive
        self._without_people = 0 if people else min(self._without_people + 1, QUIET)

    def _largest(self) -> int:
        """The largest batch that keeps the latency target: those ahead of it, and its own."""
        each_ms = self.latency_target_ms / (AHEAD + 1)
        affordable = (each_ms - self.cost.fixed_ms) / self.cost.image_ms
        return max(1, min(self.max_batch, int(affordable)))

    def _largest_with_bulk(self, queued: Queued) -> int:
        """The size up to which bulk may fill a batch; neither engine nor decoder is held up longer."""
        services = SERVICES
        if not queued.interactive and self._without_people >= QUIET:
            services = SERVICES_LETTING_BY if self.lets_by else SERVICES_IN_QUIET
        allowed_ms = services * self.cost.service_ms
        inferred = (allowed_ms - self.cost.fixed_ms) / self.cost.image_ms
        decoded = allowed_ms / max(self.cost.decode_ms, 1e-6)
        return max(1, int(min(inferred, decoded)))
