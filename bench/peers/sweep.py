"""``python -m bench.peers.sweep [NAMES]``: each peer's candidates side by side; the fastest goes into ``best.json``.

All candidates of a peer run at once, and all but the one that is measured are stopped (SIGSTOP), so that
they can be taken in turns: a machine's speed drifts from minute to minute. Measured: whole requests, as in
`bench.throughput`; every answer is compared with the right one. A candidate that does not start, or that
answers wrong or not at all, does not count.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from bench import pictures
from bench.clients import Expected, Load
from bench.peers import best
from bench.peers.best import Sweep, Tried
from bench.peers.catalogue import PEERS
from bench.peers.peer import CORES, Configuration, Peer
from bench.peers.running import Server, running
from bench.throughput import expected
from common.errors import StartError
from common.settings import Settings

# Asks the peers' interpreter, which is another one.
_VERSIONS: Final = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


@dataclass(frozen=True)
class Asked(Expected):
    """A picture and its right answer, from this peer."""

    peer: Peer

    def agrees(self, body: bytes) -> bool:
        """Whether it is."""
        said = self.peer.answer(body)
        same = Expected(self.picture, self.label, self.score)
        plain = {"success": True, "prediction": said.prediction, "score": said.score}
        return same.agrees(msgspec.json.encode(plain))


class PeerLoad(Load):
    """Clients that speak to a peer as it wants to be asked."""

    def __init__(self, server: Server, given: Sequence[Expected], clients: int) -> None:
        peer, address = server.peer, server.address
        asked = [Asked(one.picture, one.label, one.score, peer) for one in given]
        super().__init__(address, asked, clients)
        kinds = {one.picture.media_type for one in given}
        posts = {kind: peer.post(address, kind) for kind in kinds}
        cast(dict[str, Any], self._forms).update(posts)


@dataclass
class Trial:
    """A candidate while it is tried."""

    configuration: Configuration
    server: Server | None = None
    load: PeerLoad | None = None
    problem: str = ""

    def __post_init__(self) -> None:
        self.rates: list[float] = []
        self.errors = 0

    async def round(self, seconds: float) -> None:
        """Measures it once; stopped before and after."""
        if self.server is None or self.load is None:
            return
        self.server.resume()
        seen = await self.load.round(seconds)
        self.server.pause()
        self.rates.append(round(seen.rate, 1))
        self.errors += seen.errors + seen.wrong

    def found(self) -> Tried:
        """What came of it."""
        median = round(statistics.median(self.rates), 1) if self.rates else 0.0
        rates = tuple(self.rates)
        return Tried(self.configuration, rates, median, self.errors, self.problem)


async def sweep(
    peer: Peer,
    given: Sequence[Expected],
    settings: Settings,
    *,
    seconds: float,
    rounds: int,
    clients: int,
) -> Sweep:
    """Tries all candidates of a peer.

    Raises:
        ValueError: none of them ran without an error.
    """
    trials = [Trial(one) for one in peer.candidates]
    async with contextlib.AsyncExitStack() as stack:
        for trial in trials:
            try:
                server = await stack.enter_async_context(
                    running(peer, trial.configuration, settings)
                )
            except StartError as error:
                trial.problem = str(error)
                continue
            server.pause()
            trial.server, trial.load = server, PeerLoad(server, given, clients)
            stack.callback(trial.load.close)
        for number in range(rounds):
            for trial in trials if number % 2 == 0 else reversed(trials):
                await trial.round(seconds)
    tried = tuple(trial.found() for trial in trials)
    show(peer, tried)
    now = datetime.datetime.now(datetime.UTC)
    return Sweep(best.choose(tried), tried, versions(peer), CORES, f"{now:%Y-%m-%d}")


def show(peer: Peer, tried: Sequence[Tried]) -> None:
    """Prints a table, the fastest first."""
    print(f"{peer.title}: images/s, median (each round)")
    for one in sorted(tried, key=lambda one: one.median, reverse=True):
        each = ", ".join(f"{rate:.1f}" for rate in one.rates)
        errors = f", {one.errors} errors" if one.errors else ""
        print(f"  {one.configuration!s:42} {one.median:6.1f}  ({each}){errors}")
        if one.problem:
            print(f"    {one.problem}")
    sys.stdout.flush()


def versions(peer: Peer) -> dict[str, str]:
    """Of the packages that matter."""
    command = (str(peer.interpreter), "-c", _VERSIONS, *peer.packages)
    done = subprocess.run(command, check=True, capture_output=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def main() -> int:
    options = _parse()
    settings = Settings.load()
    litert = msgspec.structs.replace(settings, engine="litert")
    given = expected(litert, pictures.load(options.images))
    failed = False
    for name in options.names or PEERS:
        try:
            found = asyncio.run(
                sweep(
                    PEERS[name],
                    given,
                    settings,
                    seconds=options.seconds,
                    rounds=options.rounds,
                    clients=options.clients,
                )
            )
        except ValueError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
            continue
        best.save({name: found})
    return 1 if failed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.peers.sweep", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*PEERS, []], metavar="NAME")
    parser.add_argument(
        "--images", type=Path, help="a folder; default: cut-outs of photographs"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, StartError) as problem:
        print(f"sweep: {problem}", file=sys.stderr)
        sys.exit(2)
