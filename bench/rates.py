"""Images a second: Pictor beside the limit and its peers; known pictures beside new ones.

All under 32 connections, with the same pictures and the same clients (`bench.clients`).
"""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from bench.clients import Expected, Load
from bench.connection import Address, Connection, Form
from bench.figures import BARS, THROUGHPUT, Found, ratio
from bench.interleave import Side, Stoppable, in_turns
from bench.layouts import Way
from bench.limit import Limit, Measured, shared
from bench.setup import (
    CLIENTS,
    Seen,
    Setup,
    Subject,
    closed,
    costs,
    median_rate,
    noted,
    rates,
)
from common.settings import usable_cores

PICTOR: Final = "Pictor"
LIMIT: Final = "the limit"
KNOWN: Final = "Pictor, known pictures"


class Cached(msgspec.Struct):
    """What is needed of an answer."""

    cached: bool


@dataclass(frozen=True)
class Rival:
    """A peer that runs, as it takes turns.

    Attributes:
        name: of its bar, if it has one.
        title: for tables.
        load: its clients.
        server: its processes.
    """

    name: str
    title: str
    load: Load
    server: Stoppable


async def throughput(
    setup: Setup,
    subject: Subject,
    limit: tuple[Limit, Way] | None,
    rivals: Sequence[Rival],
) -> Found:
    """Pictor, then the limit, then each peer, again and again; a peer that fails is left out as a whole."""
    found = Found()
    load = Load(subject.process.address, setup.given, CLIENTS)
    sides: list[Side[Seen]] = [closed(PICTOR, load, setup.seconds, subject.process)]
    if limit is not None:
        sides.append(_limited(*limit, setup.seconds))
    sides += [
        closed(one.title, one.load, setup.seconds, one.server, spare=True)
        for one in rivals
    ]
    lost: dict[str, str] = {}
    noted(found, await in_turns(sides, (), setup.rounds, setup.say, lost))
    found.notes += [
        f"{who} was left out; it failed in {why}." for who, why in lost.items()
    ]
    setup.rate = median_rate(found, PICTOR)
    ours = rates(found, PICTOR)
    found.notes += _profile(found, [PICTOR, *(one.title for one in rivals)])
    if limit is not None:
        found.figures.append(ratio("limit", ours, rates(found, LIMIT)))
        found.notes += _shared(found)
    for one in [rival for rival in rivals if rival.title not in lost]:
        title = "" if one.name in BARS else f"{THROUGHPUT}{one.title}"
        try:
            theirs = rates(found, one.title)
            found.figures.append(ratio(one.name, ours, theirs, title))
        except ValueError as error:
            found.notes.append(f"{one.title}: {error}.")
    return found


async def cached(setup: Setup, subject: Subject) -> Found:
    """The same files again and again, beside files never seen before.

    All pictures take their turn, so that the 32 requests in flight are of different ones: what is
    measured are answers known by content, and not equal requests that share an entry.
    """
    found = Found()
    address = subject.process.address
    await subject.process.ready()  # it may have stood still
    await known(address, setup.given)
    found.wrong = len(setup.given) - await known(address, setup.given)
    if found.wrong:
        found.notes.append(f"{found.wrong} pictures were not known the second time.")
    sides = [
        closed(name, load, setup.seconds, subject.process)
        for name, load in (
            (PICTOR, Load(address, setup.given, CLIENTS)),
            (KNOWN, Load(address, setup.given, CLIENTS, new=False)),
        )
    ]
    noted(found, await in_turns(sides, (), setup.rounds, setup.say))
    setup.rate = setup.rate or median_rate(found, PICTOR)
    found.figures.append(ratio("cached", rates(found, KNOWN), rates(found, PICTOR)))
    return found


async def known(address: Address, given: Sequence[Expected]) -> int:
    """Sends every picture once; how many of the answers were known already.

    Raises:
        OSError: one was not answered.
    """
    left, count = iter(given), 0

    async def client() -> None:
        nonlocal count
        connection = Connection(address)
        for one in left:
            form = Form(address, "/v1/classify", one.picture.media_type)
            reply = await connection.send(*form.parts(one.picture.data))
            if reply.status != 200:
                raise OSError(f"{one.picture.name}: {reply.status}")
            count += msgspec.json.decode(reply.body, type=Cached).cached
        connection.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return count


def _profile(found: Found, servers: Sequence[str]) -> list[str]:
    """What an image costs each, in processor time; the limit is the least it can cost with this engine."""
    lines = []
    if LIMIT in found.rounds:
        each_ms = [1000 * one["cores"] / one["rate"] for one in found.rounds[LIMIT]]
        least_ms = statistics.median(each_ms)
        lines.append(f"Processor time an image, {LIMIT}: {least_ms:.2f} ms.")
    for name in servers:
        rounds = found.rounds.get(name, [])  # none of one that was left out
        if rounds and all("server_parts_ms" in one for one in rounds):
            lines.append(costs(name, found))
    return lines


def _limited(limit: Limit, way: Way, seconds: float) -> Side[Seen]:
    async def measure(number: int) -> Measured:
        return await asyncio.to_thread(limit.measure, way, seconds)

    return Side(LIMIT, measure)


def _shared(found: Found) -> list[str]:
    """Says so if somebody else used the machine."""
    cores = min(one["cores"] for one in found.rounds[LIMIT])
    if not shared(cores):
        return []
    return [
        f"Others used this machine: the limit had {cores:.1f} of {usable_cores()} cores in a round. "
        "That helps whoever has more processes; the ratios are worth little."
    ]
