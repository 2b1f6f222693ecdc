"""Sides measured in turns, A B C A B C ..., each alone: the processes of all others stand still.

A server that is idle still costs: heartbeats, polling, pools. SIGSTOP takes that from it, so that it
flatters nobody. One whole tree of processes is stopped from the top, so that no parent starts anew what
it takes for dead.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import psutil

from common.errors import StartError

T = TypeVar("T")


class Stoppable(Protocol):
    """What stands still while others are measured."""

    def pause(self) -> None:
        """Stops all its processes; nothing is under way in it."""

    def resume(self) -> None:
        """Has them go on."""

    async def ready(self) -> None:
        """Returns once it answers as it did before; raises if it does not."""

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds of its parts until now, by their names."""


@dataclass(frozen=True)
class Side(Generic[T]):
    """One of those that take turns.

    Attributes:
        name: its rounds are kept under it.
        measure: one round of it, the number of which is given.
        server: what it needs running; None where that is this process alone.
        spare: the others go on without it if it fails.
    """

    name: str
    measure: Callable[[int], Awaitable[T]]
    server: Stoppable | None = None
    spare: bool = False


async def in_turns(
    sides: Sequence[Side[T]],
    others: Sequence[Stoppable],
    rounds: int,
    say: Callable[[str], None] = lambda text: None,
    lost: dict[str, str] | None = None,
) -> dict[str, list[T]]:
    """Measures each side once a round; what each saw, by its name, in the order of the rounds.

    Args:
        sides: in the order of their turns; several may have one server.
        others: what else runs, and is to stand still throughout.
        rounds: how many.
        say: is told what each turn saw.
        lost: is told which spare sides failed, when and why; these are missing in what is returned.

    Raises:
        OSError, StartError: a side that is not spare failed; all servers go on.
    """
    seen: dict[str, list[T]] = {side.name: [] for side in sides}
    servers = _distinct([*(side.server for side in sides), *others])
    async with alone(servers) as only:
        for number in range(rounds):
            at = f"round {number + 1} of {rounds}"
            for side in [one for one in sides if one.name in seen]:
                try:
                    await only(side.server)
                    found = await side.measure(number)
                except (OSError, StartError) as error:
                    if not side.spare or lost is None:
                        raise
                    reason, _, _ = str(error).partition("\n")
                    lost[side.name] = f"{at}: {reason}"
                    del seen[side.name]
                    say(f"{at}: {side.name} is left out: {error}")
                    continue
                seen[side.name].append(found)
                say(f"{at}: {side.name:24} {found}")
    return seen


@contextlib.asynccontextmanager
async def alone(
    servers: Sequence[Stoppable],
) -> AsyncIterator[Callable[[Stoppable | None], Awaitable[None]]]:
    """Gives a function that lets one server run, or none; at the end all run again."""
    running: Stoppable | None = None

    async def only(server: Stoppable | None) -> None:
        nonlocal running
        if server is running:
            return
        if running is not None:
            running.pause()
        running = server
        if server is not None:
            server.resume()
            await server.ready()

    for server in servers:
        server.pause()
    try:
        yield only
    finally:
        for server in servers:  # one that stands still cannot be ended in order
            server.resume()


def pause(pids: Sequence[int]) -> None:
    """Stops these processes and all below them, parents first; those that start meanwhile too."""
    stopped: set[int] = set()
    while new := [one for one in tree(pids) if one.pid not in stopped]:
        for process in new:
            stopped.add(process.pid)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()


def resume(pids: Sequence[int]) -> None:
    """Has them go on, in the order given, each before what is below it."""
    for process in tree(pids):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


def cpu_s(pids: Sequence[int]) -> float:
    """Processor seconds that these processes and all below them have taken, those that live."""
    total = 0.0
    for process in tree(pids):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def tree(pids: Sequence[int]) -> list[psutil.Process]:
    """These processes, each followed by all below it, none twice; those that have ended are left out."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(pid)
            for one in (top, *top.children(recursive=True)):
                found.setdefault(one.pid, one)
    return list(found.values())


def _distinct(servers: Sequence[Stoppable | None]) -> list[Stoppable]:
    distinct: list[Stoppable] = []
    for server in servers:
        if server is not None and not any(server is one for one in distinct):
            distinct.append(server)
    return distinct
