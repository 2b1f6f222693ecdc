"""From what has been counted to what happens now: differences between readings, a second apart.

Pure: no clock, no Redis. Counters begin at nothing again when their process does, and workers come and
go; a difference is never less than nothing.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from common import wire
from common.keys import Lane
from gateway.live_counts import TOTALS, Counted
from gateway.live_sample import Sample, Shown, Stages
from gateway.metrics import ANSWERED_S

PERCENTILES_S: Final = 10.0
# Workers say once a second what they have done, and are asked once a second: a second may miss that.
STAGES_S: Final = 3.0
LOST_S: Final = 10.0  # how long a worker that is heard of no more is shown
DIGITS: Final = 2
NOTHING: Final = Counted()
ADDED: Final = ("images", "queue_ms", "decode_ms", "inference_ms", "cached")


@dataclass(frozen=True)
class Reading:
    """What is known at one time.

    Attributes:
        at: seconds, of a clock that never goes back.
        counted: by gateways, up to now.
        workers: those that live, with what they have counted.
        names: of all workers that have not said that they leave.
        backlog: entries a lane.
        away: why Redis cannot be asked, or nothing.
    """

    at: float
    counted: Counted = NOTHING
    workers: Sequence[wire.Worker] = ()
    names: frozenset[str] = frozenset()
    backlog: Mapping[Lane, int] = field(default_factory=dict)
    away: str = ""


@dataclass
class Done:
    """What workers have done between two readings; see `wire.Worker`."""

    images: int = 0
    queue_ms: float = 0.0
    decode_ms: float = 0.0
    inference_ms: float = 0.0
    cached: int = 0
    batches: Counter[int] = field(default_factory=Counter)

    def add(self, before: wire.Worker, now: wire.Worker) -> None:
        """Adds what one of them has done."""
        for name in ADDED:
            more = added(getattr(before, name), getattr(now, name))
            setattr(self, name, getattr(self, name) + more)
        known = dict(before.batches)
        for size, count in now.batches:
            self.batches[size] += int(added(known.get(size, 0), count))


@dataclass(frozen=True)
class Step:
    """What happened between two readings.

    Attributes:
        at: when it ended.
        seconds: how long it was.
    """

    at: float
    seconds: float
    counted: Counted
    done: Done


@dataclass
class _Known:
    worker: wire.Worker
    heard_at: float


class Figures:
    """Takes readings in, one after the other, and says what they show."""

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._steps: deque[Step] = deque()
        self._known: dict[str, _Known] = {}

    def take(self, reading: Reading, at_ms: int) -> Sample:
        """The sample at a reading; the first one has nothing to be held against."""
        done = self._follow(reading)
        last, self._last = self._last, reading
        step = Step(reading.at, 1.0, NOTHING, Done())
        if last is not None and reading.at > last.at:
            more = gained(last.counted, reading.counted)
            step = Step(reading.at, reading.at - last.at, more, done)
            self._steps.append(step)
        while self._steps and reading.at - self._steps[0].at >= PERCENTILES_S:
            self._steps.popleft()
        return self._sample(reading, step, at_ms)

    def _follow(self, reading: Reading) -> Done:
        """What workers have done that were there before; those that are new are known from now on."""
        done = Done()
        for worker in reading.workers:
            known = self._known.get(worker.name)
            if known is not None:
                done.add(known.worker, worker)
            self._known[worker.name] = _Known(worker, reading.at)
        live = {worker.name for worker in reading.workers}
        for name, known in list(self._known.items()):
            gone = name not in live and name not in reading.names
            if gone or reading.at - known.heard_at >= LOST_S:
                del self._known[name]
        return done

    def _sample(self, reading: Reading, step: Step, at_ms: int) -> Sample:
        counted, done = step.counted, step.done

        def rate(count: float) -> float:
            return round(count / step.seconds, DIGITS)

        answered = [sum(many) for many in zip(*self._answered(reading.at), strict=True)]
        errors = {code: rate(count) for code, count in counted.refused.items()}
        return Sample(
            at_ms,
            rate(sum(counted.answered) + counted.fetched),
            rate(counted.asked),
            percentile(answered, 0.5),
            percentile(answered, 0.99),
            self._stages(reading.at),
            dict(reading.backlog),
            {str(size): n for size, n in sorted(done.batches.items()) if n},
            rate(counted.known + done.cached),
            rate(counted.shared),
            {code: each for code, each in errors.items() if each > 0},
            self._shown(reading),
            reading.away,
        )

    def _answered(self, now: float) -> Iterable[tuple[float, ...]]:
        return (step.counted.answered for step in self._since(now, PERCENTILES_S))

    def _since(self, now: float, seconds: float) -> list[Step]:
        return [step for step in self._steps if now - step.at < seconds]

    def _stages(self, now: float) -> Stages:
        steps = self._since(now, STAGES_S)

        def mean(total: Callable[[Step], float], of: Callable[[Step], float]) -> float:
            count = sum(map(of, steps))
            return round(sum(map(total, steps)) / count, DIGITS) if count else 0.0

        def images(step: Step) -> float:
            return step.done.images

        return Stages(
            mean(
                lambda one: one.counted.upload_s * 1000, lambda one: one.counted.uploads
            ),
            mean(lambda one: one.done.queue_ms, images),
            mean(lambda one: one.done.decode_ms, images),
            mean(lambda one: one.done.inference_ms, images),
            mean(
                lambda one: one.counted.reply_s * 1000, lambda one: one.counted.replies
            ),
        )

    def _shown(self, reading: Reading) -> tuple[Shown, ...]:
        live = {worker.name for worker in reading.workers}
        return tuple(
            shown(known.worker, lost=name not in live)
            for name, known in sorted(self._known.items())
        )


def added(before: float, now: float) -> float:
    """What was added to a counter; one that has become less has begun at nothing again."""
    return now - before if now >= before else now


def gained(before: Counted, now: Counted) -> Counted:
    """What gateways have counted in between."""
    counts = {name: added(getattr(before, name), getattr(now, name)) for name in TOTALS}
    refused = {
        code: added(before.refused.get(code, 0.0), count)
        for code, count in now.refused.items()
    }
    answered = tuple(map(added, before.answered, now.answered))
    return Counted(answered, refused, **counts)


def percentile(answered: Sequence[float], share: float) -> float | None:
    """Milliseconds within which this share was answered, from counts by bucket; None without any.

    Within a bucket answers are taken to be spread evenly; what took longer than the last bound is taken
    for that.
    """
    left = share * sum(answered)
    if not left:
        return None
    lower = 0.0
    for upper, count in zip(chain(ANSWERED_S, ANSWERED_S[-1:]), answered, strict=True):
        if count and left <= count:
            return round(1000 * (lower + (upper - lower) * left / count), DIGITS)
        left -= count
        lower = upper
    return round(1000 * lower, DIGITS)


def shown(worker: wire.Worker, *, lost: bool) -> Shown:
    """A worker as it is shown."""
    return Shown(
        worker.name,
        "lost" if lost else worker.state,
        worker.engine,
        worker.model,
        round(worker.fixed_ms, 3),
        round(worker.image_ms, 3),
        round(worker.images_per_s, DIGITS),
        tuple((size, round(ms, 3)) for size, ms in worker.points),
    )
