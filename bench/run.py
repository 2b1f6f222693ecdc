"""The order in which `make bench` measures, and what runs meanwhile (``bench.__main__`` has the options)."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from bench import shipped
from bench.beside import rivals, sweeps
from bench.bulk import BOUND
from bench.figures import Found
from bench.layouts import BATCHES, LAYOUTS, Way
from bench.limit import Limit, ways
from bench.null import alone
from bench.peers.peer import Peer
from bench.queued import memory
from bench.rates import LIMIT, cached, throughput
from bench.scaled import large
from bench.setup import Setup, Subject
from bench.subject import pictor
from bench.waits import openloop, single
from common.errors import StartError
from common.settings import usable_cores

NAMES: Final = (
    *("throughput", "cached", "single", "openloop", "bulk"),
    *("gateway", "large", "memory"),
)
TRIAL: Final = 0.1  # of a round, for each way that the limit may be laid out
WITH_PICTOR: Final = frozenset(NAMES[:5])


@dataclass
class Bench:
    """A run.

    Attributes:
        only: what to measure.
        peers: whom beside.
        parts: what was found, by name.
        missing: who did not start, and why.
        tried: what was tried to find a side's best configuration.
        broken: what failed, in words.
        pictor: what Pictor ran with, where it ran.
    """

    setup: Setup
    only: Sequence[str]
    peers: Sequence[Peer]
    parts: dict[str, Found] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    tried: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    pictor: dict[str, Any] = field(default_factory=dict)

    async def run(self) -> None:
        """All that was asked for; what needs no Pictor first, while nothing else runs."""
        await self._part("large", lambda: large(self.setup))
        await self._part("memory", lambda: memory(self.setup))
        await self._part("gateway", lambda: alone(self.setup))
        if not WITH_PICTOR & set(self.only):
            return
        with contextlib.ExitStack() as stack:
            limit = self._limit(stack) if "throughput" in self.only else None
            settings = msgspec.structs.replace(
                self.setup.settings,
                log_level="error",  # to stand still looks like a loss of Redis
                max_backlog_bulk=BOUND,
            )
            async with pictor(settings) as (system, process):
                self.pictor = (await shipped.shape(system)).facts()
                await self._with(Subject(system, process), limit)

    async def _with(self, subject: Subject, limit: tuple[Limit, Way] | None) -> None:
        """What needs a Pictor; half its rate and one picture's work are measured if need be."""
        setup, bulk = self.setup, "bulk" in self.only
        waiting = bulk or "openloop" in self.only
        if "throughput" in self.only:
            await self._throughput(subject, limit)
        needed = waiting and setup.rate is None
        await self._part("cached", lambda: cached(setup, subject), needed=needed)
        await self._part("single", lambda: single(setup, subject), needed=waiting)
        if waiting and setup.rate and setup.work_ms:
            await self._part(
                "openloop", lambda: openloop(setup, subject, bulk=bulk), needed=True
            )

    async def _throughput(
        self, subject: Subject, limit: tuple[Limit, Way] | None
    ) -> None:
        """Beside the peers, which run no longer than for this."""
        self.tried |= sweeps(self.peers)
        async with rivals(self.setup, self.peers, self.missing) as beside:
            await self._part(
                "throughput", lambda: throughput(self.setup, subject, limit, beside)
            )

    def _limit(self, stack: contextlib.ExitStack) -> tuple[Limit, Way]:
        """The in-process limit, laid out in the way that is fastest here."""
        setup = self.setup
        setup.say("trying how the limit is laid out best ...")
        images = [one.picture.data for one in setup.given]
        limit = stack.enter_context(Limit.of(setup.settings, images, usable_cores()))
        tried = limit.trials(ways(LAYOUTS, BATCHES), TRIAL * setup.seconds)
        way = max(tried, key=tried.__getitem__)
        self.tried[LIMIT] = {
            "used": str(way),
            "why": "the best of those tried in this run",
            "best": str(way),
            "tried": {
                str(one): {"rate": round(rate, 1), "flaw": ""}
                for one, rate in tried.items()
            },
        }
        return limit, way

    async def _part(
        self,
        name: str,
        measure: Callable[[], Awaitable[Found]],
        *,
        needed: bool = False,
    ) -> None:
        """Measures it if it was asked for, or another needs it; a failure leaves the others be."""
        if name not in self.only and not needed:
            return
        self.setup.say(f"-- {name}")
        try:
            self.parts[name] = await measure()
        except (OSError, ValueError, StartError) as error:
            self.broken.append(f"{name}: {error}")
            self.setup.say(f"bench: {self.broken[-1]}")
