"""Peers as they take turns with Pictor: those that are installed, each in the best configuration known."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.clients import Expected, Load
from bench.interleave import cpu_s
from bench.peers import best
from bench.peers.best import Sweep
from bench.peers.catalogue import PEERS
from bench.peers.peer import Peer
from bench.peers.running import Server, ask, running
from bench.rates import Rival
from bench.setup import CLIENTS, Setup
from common.errors import StartError

READY_S: Final = 30.0
POLL_S: Final = 0.1


@dataclass(frozen=True)
class Paused:
    """A peer that can be stopped, and asked whether it is back."""

    server: Server
    one: Expected

    def pause(self) -> None:
        """Stops all its processes."""
        self.server.pause()

    def resume(self) -> None:
        """Has them go on."""
        self.server.resume()

    async def ready(self) -> None:
        """Returns once it answers a picture.

        Raises:
            StartError: it does not, or has ended.
        """
        give_up_at = asyncio.get_running_loop().time() + READY_S
        while asyncio.get_running_loop().time() < give_up_at:
            if not self.server.pids():
                raise StartError(f"{self.server.peer.title} has ended")
            with contextlib.suppress(OSError, TimeoutError):
                if (await ask(self.server, self.one.picture)).status == 200:
                    return
            await asyncio.sleep(POLL_S)
        raise StartError(f"{self.server.peer.title} was stopped and did not come back")

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds of all its processes together."""
        return {self.server.peer.name: cpu_s(self.server.pids())}


def chosen(names: Sequence[str] | None) -> list[Peer]:
    """Those named, or all.

    Raises:
        ValueError: there is no such peer.
    """
    if names is None:
        return list(PEERS.values())
    if unknown := set(names) - PEERS.keys():
        known = ", ".join(PEERS)
        raise ValueError(
            f"{', '.join(sorted(unknown))}: no such peer; there are {known}"
        )
    return [PEERS[name] for name in names]


def load(server: Server, given: Sequence[Expected], clients: int) -> Load:
    """Clients that ask a peer as it wants to be asked, and understand what it answers."""

    def agrees(one: Expected, sent: bytes, body: bytes) -> bool:
        said = server.peer.answer(body)
        return one.named(said.prediction, said.score)

    post = server.peer.post
    return Load(server.address, given, clients, post=post, agrees=agrees)


@contextlib.asynccontextmanager
async def rivals(
    setup: Setup, peers: Sequence[Peer], missing: dict[str, str]
) -> AsyncIterator[list[Rival]]:
    """Starts the peers one after the other; they end with the context.

    Args:
        setup: the pictures.
        peers: whom.
        missing: is told who did not start, and why.
    """
    async with contextlib.AsyncExitStack() as stack:
        started = []
        for peer in peers:
            setup.say(f"starting {peer.title} ...")
            try:
                server = await stack.enter_async_context(
                    running(peer, None, setup.settings)
                )
            except StartError as error:
                missing[peer.title] = str(error).splitlines()[0]
                setup.say(f"{peer.title} is left out: {missing[peer.title]}")
                continue
            started.append(_rival(setup, peer, server))
        yield started


def _rival(setup: Setup, peer: Peer, server: Server) -> Rival:
    paused = Paused(server, setup.given[0])
    return Rival(peer.name, peer.title, load(server, setup.given, CLIENTS), paused)


def sweeps(peers: Sequence[Peer]) -> dict[str, Any]:
    """By each peer's title: the configuration it runs in and why, and what was tried to find the best."""
    known = best.load()
    return {peer.title: _tried(peer, known.get(peer.name)) for peer in peers}


def _tried(peer: Peer, sweep: Sweep | None) -> dict[str, Any]:
    used = {"used": str(best.configuration(peer))}
    why_not = best.unfit(sweep)
    if sweep is None:
        return used | {"why": f"its first candidate, since {why_not}", "tried": {}}
    versions = ", ".join(f"{name} {number}" for name, number in sweep.versions.items())
    swept = f"swept {sweep.date} on {sweep.cores} cores ({versions})"
    why = f"its first candidate, since {why_not}; " if why_not else "the best; "
    return used | {
        "why": why + swept,
        "best": str(sweep.best),
        "date": sweep.date,
        "cores": sweep.cores,
        "versions": sweep.versions,
        "tried": {
            str(one.configuration): {"rate": one.median, "flaw": one.flaw}
            for one in sweep.tried
        },
    }
