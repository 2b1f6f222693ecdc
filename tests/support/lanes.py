"""Two lanes, some workers and their batchers, simulated: what people wait with a collection behind them.

Discrete events, no clock, no process: people arrive as a Poisson process, a collection never ends, and
each worker reads, decodes and infers as `inference.worker` does, with AHEAD batches in hand. All that
is under way shares the cores evenly. What Redis, HTTP and noise add is not here: this compares policies.

``python -m tests.support.lanes`` prints a table; the seed is fixed.
"""

import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inference.batcher import AHEAD, Batcher, Cost, Plan, Queued

ENDLESS = 10**6  # pictures of a collection
READ_MS = 1.0  # to ask Redis, and to publish
Plans = Callable[[Batcher, Queued], Plan]


def cost_of(fixed_ms: float, image_ms: float, decode_ms: float = 0) -> Cost:
    """A cost that was measured without noise."""
    cost = Cost()
    for images in (1, 2, 4, 8):
        cost.measured(images, fixed_ms + image_ms * images)
        cost.decoded(images, decode_ms * images)
    return cost


@dataclass(frozen=True)
class Machine:
    """What pictures cost, in milliseconds, and on what."""

    fixed_ms: float = 1.0
    image_ms: float = 9.0
    decode_ms: float = 3.4
    cores: float = 2
    workers: int = 2
    max_batch: int = 16
    latency_target_ms: float = 250

    @property
    def service_ms(self) -> float:
        """One picture, alone."""
        return READ_MS + self.decode_ms + self.fixed_ms + self.image_ms

    def batcher(self) -> Batcher:
        """One that has measured all this."""
        cost = cost_of(self.fixed_ms, self.image_ms, self.decode_ms)
        return Batcher(cost, self.latency_target_ms, self.max_batch)


@dataclass
class Stage:
    """A decoder or an engine: what it works on, and the milliseconds of a core that are left of it."""

    people: list[float] = field(default_factory=list)  # when each arrived
    bulk: int = 0
    left_ms: float = math.inf

    @property
    def busy(self) -> bool:
        return self.left_ms < math.inf


@dataclass
class Hands:
    """A worker."""

    batcher: Batcher
    decoder: Stage = field(default_factory=Stage)
    engine: Stage = field(default_factory=Stage)
    ready: list[Stage] = field(default_factory=list)
    waits_since: float = 0.0

    @property
    def in_hand(self) -> int:
        return self.decoder.busy + len(self.ready) + self.engine.busy


@dataclass(frozen=True)
class Seen:
    """What came of a run: pictures a second of each lane, and what people waited, in milliseconds."""

    people_per_s: float
    bulk_per_s: float
    waited_ms: Sequence[float]
    largest_bulk: int  # pictures of the largest batch without people

    def percentile(self, percent: float) -> float:
        return sorted(self.waited_ms)[int(percent / 100 * (len(self.waited_ms) - 1))]


class Simulation:
    """Runs until `ms` have passed."""

    def __init__(
        self,
        machine: Machine,
        *,
        people_per_s: float,
        bulk: bool,
        plans: Plans = Batcher.plan,
    ) -> None:
        self._machine, self._rate, self._bulk = machine, people_per_s / 1000, bulk
        self._plans = plans
        self._random = random.Random(1)
        self._hands = [Hands(machine.batcher()) for _ in range(machine.workers)]
        self._waiting: deque[float] = deque()
        self._now = 0.0
        self._next = self._arrival()
        self._waited: list[float] = []
        self._bulk_done = self._largest_bulk = 0

    def run(self, ms: float) -> Seen:
        while self._now < ms:
            self._begin()
            self._pass_time()
        seconds = self._now / 1000
        return Seen(
            len(self._waited) / seconds,
            self._bulk_done / seconds,
            self._waited,
            self._largest_bulk,
        )

    def _arrival(self) -> float:
        return self._now + (
            self._random.expovariate(self._rate) if self._rate else math.inf
        )

    def _begin(self) -> None:
        """Whoever can go on does; those that have waited longest read first, as Redis has it."""
        for hands in sorted(self._hands, key=lambda one: one.waits_since):
            self._infer(hands)
            while not hands.decoder.busy and hands.in_hand < AHEAD:
                if not self._read(hands):
                    break

    def _read(self, hands: Hands) -> bool:
        bulk = ENDLESS if self._bulk else 0
        queued = Queued(len(self._waiting), bulk, self._machine.workers)
        plan = self._plans(hands.batcher, queued)
        hands.batcher.took(plan, queued)
        if plan.images:
            people = [self._waiting.popleft() for _ in range(plan.interactive)]
            cost = READ_MS + self._machine.decode_ms * plan.images
            hands.decoder = Stage(people, plan.bulk, cost)
            if not people:
                self._largest_bulk = max(self._largest_bulk, plan.bulk)
        return bool(plan.images)

    def _infer(self, hands: Hands) -> None:
        if hands.ready and not hands.engine.busy:
            hands.engine = hands.ready.pop(0)
            images = len(hands.engine.people) + hands.engine.bulk
            hands.engine.left_ms = (
                self._machine.fixed_ms + self._machine.image_ms * images
            )

    def _pass_time(self) -> None:
        """Until the next thing happens."""
        busy = [
            stage
            for hands in self._hands
            for stage in (hands.decoder, hands.engine)
            if stage.busy
        ]
        speed = min(1.0, self._machine.cores / max(len(busy), 1))
        passed = min([one.left_ms / speed for one in busy] + [self._next - self._now])
        self._now += passed
        for stage in busy:
            stage.left_ms -= passed * speed
        if self._next <= self._now:
            self._waiting.append(self._now)
            self._next = self._arrival()
        for hands in self._hands:
            self._end(hands)

    def _end(self, hands: Hands) -> None:
        if hands.engine.left_ms < 1e-9:
            done, hands.engine = hands.engine, Stage()
            self._waited += [self._now - arrived for arrived in done.people]
            self._bulk_done += done.bulk
            hands.waits_since = self._now
        if hands.decoder.left_ms < 1e-9:
            hands.ready.append(hands.decoder)
            hands.decoder = Stage()
            hands.waits_since = self._now


CPU = Machine()
# A network that costs little an image, and a decoder that keeps up with it.
GPU_LIKE = Machine(5, 0.2, 0.4, cores=8, workers=1, max_batch=64)


def most_per_s(machine: Machine) -> float:
    """People a second when there are always more."""
    return Simulation(machine, people_per_s=20_000, bulk=False).run(2_000).people_per_s


def unbounded(batcher: Batcher, queued: Queued) -> Plan:
    """What people left was for bulk, as many as pay."""
    size = batcher.preferred()
    interactive = min(queued.interactive, size)
    return Plan(interactive, min(queued.bulk, size - interactive))


def main() -> None:
    machines = {"CPU, 1 + 9n ms": CPU, "GPU-like, 5 + 0.2n ms": GPU_LIKE}
    policies: dict[str, Plans] = {"unbounded": unbounded, "bounded": Batcher.plan}
    for name, machine in machines.items():
        half = most_per_s(machine) / 2
        alone = Simulation(machine, people_per_s=half, bulk=False).run(60_000)
        p99 = alone.percentile(99)
        print(f"{name}: p99 {p99:.0f} ms, {p99 / machine.service_ms:.1f} services")
        for policy, plans in policies.items():
            behind = Simulation(machine, people_per_s=half, bulk=True, plans=plans)
            seen = behind.run(60_000)
            quiet = Simulation(machine, people_per_s=0, bulk=True, plans=plans)
            print(
                f"  {policy:10} p99 {seen.percentile(99):.0f} ms with bulk, "
                f"{seen.percentile(99) / p99:.2f} times; bulk {seen.bulk_per_s:.0f}/s, "
                f"without people {quiet.run(20_000).bulk_per_s:.0f}/s"
            )


if __name__ == "__main__":
    main()
