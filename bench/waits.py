"""How long a person waits: alone, among others who come when they come, and beside a whole collection."""

import itertools
import os
import statistics
import time
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from bench.bulk import Collection, Filled
from bench.bulk import Prediction as Best
from bench.clients import WARM_UP_S, Expected
from bench.connection import Connection, Form
from bench.figures import Found, median, ratio
from bench.interleave import Side, in_turns
from bench.openloop import SEED, Arrivals, OpenRound
from bench.pictures import numbered
from bench.setup import Seen, Setup, Subject, noted

ALONE: Final = "Pictor, one client"
POISSON: Final = "Poisson"
BULK: Final = "Poisson, bulk lane full"
LOAD: Final = 0.5  # of the maximum rate
LONGER: Final = 2  # times a round of the others: a 99th percentile wants many requests


class Timing(msgspec.Struct):
    """What is needed of the receipt, milliseconds."""

    decode: float
    inference: float


class Timed(msgspec.Struct):
    """What is needed of an answer."""

    predictions: list[Best]
    timing_ms: Timing
    cached: bool


@dataclass
class AloneRound:
    """What a single client saw.

    Attributes:
        over_ms: of each request: its total at the client, without decode and inference.
        work_ms: of each request: decode and inference.
    """

    over_ms: list[float] = field(default_factory=list)
    work_ms: list[float] = field(default_factory=list)
    errors: int = 0
    wrong: int = 0

    def facts(self) -> dict[str, Any]:
        """For a file: the medians."""
        medians = {
            name: round(statistics.median(values), 3)
            for name, values in (("over_ms", self.over_ms), ("work_ms", self.work_ms))
            if values
        }
        return medians | {
            "requests": len(self.over_ms),
            "errors": self.errors,
            "wrong": self.wrong,
        }

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.facts().items())


async def single(setup: Setup, subject: Subject) -> Found:
    """One client, one picture at a time."""
    found = Found()
    side: Side[Seen] = Side(ALONE, _Alone(setup, subject).measure, subject.process)
    noted(found, await in_turns([side], (), setup.rounds, setup.say))
    rounds = found.rounds[ALONE]
    if not all(one["requests"] for one in rounds):
        raise ValueError("one client: a round without a right answer")
    found.figures.append(median("single", [one["over_ms"] for one in rounds]))
    setup.work_ms = [one["work_ms"] for one in rounds]
    work = statistics.median(setup.work_ms)
    found.notes.append(f"One picture's decode and inference took {work:.1f} ms.")
    return found


class _Alone:
    def __init__(self, setup: Setup, subject: Subject) -> None:
        self._seconds = setup.seconds
        self._address = subject.process.address
        self._given = itertools.cycle(setup.given)
        self._numbers = itertools.count(int.from_bytes(os.urandom(7), "big"))

    async def measure(self, number: int) -> AloneRound:
        seen, connection = AloneRound(), Connection(self._address)
        start = time.perf_counter() + WARM_UP_S
        while (now := time.perf_counter()) < start + self._seconds:
            await self._one(connection, next(self._given), seen, counts=now >= start)
        connection.close()
        return seen

    async def _one(
        self, connection: Connection, one: Expected, seen: AloneRound, *, counts: bool
    ) -> None:
        form = Form(self._address, "/v1/classify", one.picture.media_type)
        parts = form.parts(numbered(one.picture.data, next(self._numbers)))
        sent = time.perf_counter()
        try:
            reply = await connection.send(*parts)
        except OSError:
            seen.errors += 1
            return
        total_ms = (time.perf_counter() - sent) * 1000
        if reply.status != 200:
            seen.errors += 1
            return
        said = msgspec.json.decode(reply.body, type=Timed)
        best = said.predictions[0]
        if said.cached or not one.named(best.label, best.score):
            seen.wrong += 1
        elif counts:
            work_ms = said.timing_ms.decode + said.timing_ms.inference
            seen.work_ms.append(work_ms)
            seen.over_ms.append(total_ms - work_ms)


@dataclass
class BesideRound(OpenRound):
    """The same beside a collection."""

    filled: Filled = field(default_factory=Filled)

    def facts(self) -> dict[str, Any]:
        """For a file."""
        facts = super().facts() | self.filled.facts()
        facts["errors"] += self.filled.errors
        facts["wrong"] += self.filled.wrong
        return facts


async def openloop(setup: Setup, subject: Subject, *, bulk: bool) -> Found:
    """Poisson arrivals at half the maximum rate, with `bulk` in turns with the same beside a full lane.

    `setup.rate` and `setup.work_ms` must have been measured.
    """
    assert setup.rate
    assert setup.work_ms
    found = Found()
    rate, seconds = LOAD * setup.rate, LONGER * setup.seconds
    people = Arrivals(subject.process.address, setup.given)
    collection = Collection(subject, setup.given)

    async def without(number: int) -> OpenRound:
        return await people.round(rate, seconds, SEED + number)

    async def beside(number: int) -> BesideRound:
        async with collection.behind() as filled:
            seen = await people.round(rate, seconds, SEED + number)
        names = ("latencies_ms", "errors", "wrong", "client_s", "offered", "late_ms")
        same = {name: getattr(seen, name) for name in names}
        return BesideRound(seen.seconds, **same, filled=filled)

    sides: list[Side[Seen]] = [Side(POISSON, without, subject.process)]
    if bulk:
        sides.append(Side(BULK, beside, subject.process))
    noted(found, await in_turns(sides, (), setup.rounds, setup.say))
    p99 = {
        name: [one.get("p99_ms", 0.0) for one in of]
        for name, of in found.rounds.items()
    }
    found.figures.append(ratio("openloop", p99[POISSON], setup.work_ms))
    if bulk:
        found.figures.append(ratio("bulk", p99[BULK], p99[POISSON]))
    found.notes.append(_said(rate, setup.rate, p99))
    return found


def _said(rate: float, most: float, p99: dict[str, list[float]]) -> str:
    each = ", ".join(
        f"{name}: {statistics.median(of):.0f} ms" for name, of in p99.items()
    )
    return (
        f"Poisson arrivals came at {rate:.1f}/s, half of {most:.1f}/s; p99 of the rounds, "
        f"median, from the moment a request was due: {each}."
    )
