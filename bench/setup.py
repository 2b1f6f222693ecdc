"""What all measurements of `make bench` share: how often and how long, the pictures, what was found so far."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bench.clients import Expected, Load, Round
from bench.figures import Found
from bench.interleave import Side, Stoppable
from bench.subject import Process
from bench.system import System
from common.settings import Settings

CLIENTS = 32


class Seen(Protocol):
    """What a round of any kind saw."""

    def facts(self) -> dict[str, Any]:
        """For a file."""


@dataclass
class Setup:
    """How it is measured, and what later measurements need of earlier ones.

    Attributes:
        rounds: of each side.
        seconds: of a round that counts.
        given: the pictures and their right answers.
        rate: images a second of Pictor under CLIENTS clients, once that was measured.
        work_ms: of one picture, decode and inference; the median of each round, likewise.
    """

    settings: Settings
    rounds: int
    seconds: float
    given: Sequence[Expected]
    rate: float | None = None
    work_ms: list[float] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Tells whoever waits."""
        print(text, flush=True)


@dataclass(frozen=True)
class Subject:
    """The Pictor that is measured."""

    system: System
    process: Process


def closed(
    name: str, load: Load, seconds: float, server: Stoppable, *, spare: bool = False
) -> Side[Seen]:
    """A side that answers as many clients as ask; their connections end with the round."""

    async def measure(number: int) -> Round:
        before = server.cpu_s()
        try:
            seen = await load.round(seconds)
        finally:
            load.close()
        after = server.cpu_s()
        seen.server_s = {part: after[part] - before.get(part, 0.0) for part in after}
        return seen

    return Side(name, measure, server, spare)


def noted(found: Found, seen: dict[str, list[Seen]]) -> None:
    """Keeps every round's facts, and counts what went wrong."""
    for name, rounds in seen.items():
        found.rounds[name] = [one.facts() for one in rounds]
        found.errors += sum(one.get("errors", 0) for one in found.rounds[name])
        found.wrong += sum(one.get("wrong", 0) for one in found.rounds[name])


def rates(found: Found, name: str) -> list[float]:
    """Images a second, round by round."""
    return [one["rate"] for one in found.rounds[name]]


def median_rate(found: Found, name: str) -> float:
    """Of its rounds."""
    return statistics.median(rates(found, name))


def costs(name: str, found: Found) -> str:
    """Which part took how much processor time for a request, medians of the rounds, the dearest first."""
    rounds = [one.get("server_parts_ms", {}) for one in found.rounds[name]]
    each = {
        part: statistics.median(one.get(part, 0.0) for one in rounds)
        for part in rounds[0]
    }
    dearest = sorted(each.items(), key=lambda one: -one[1])
    listed = ", ".join(f"{part} {ms:.2f} ms" for part, ms in dearest)
    return f"Processor time a request, {name}: {sum(each.values()):.2f} ms; {listed}."
