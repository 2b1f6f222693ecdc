"""``make sweep-peers``, ``python -m bench.peers.sweep [NAMES]``: each peer's fastest configuration, for ``best.json``.

All candidates of a peer run at once, and all but the one that is measured are stopped (SIGSTOP), so that
they can be taken in turns: a machine's speed drifts from minute to minute. Measured: whole requests, as in
`bench.throughput`; every answer is compared with the right one. A candidate that does not start, or that
answers wrong or not at all, even once, does not count. Each peer is written when all its rounds were taken:
an interrupted run keeps those before.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench import pictures
from bench.beside import Paused, load
from bench.clients import Expected
from bench.peers import best
from bench.peers.best import Sweep, Tried
from bench.peers.catalogue import PEERS
from bench.peers.peer import CORES, Peer
from bench.peers.running import running
from bench.peers.trial import Trial
from bench.throughput import expected
from common.errors import StartError
from common.settings import Settings

# Asks the peers' interpreter, which is another one.
_VERSIONS: Final = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


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
            say(f"{peer.title}: starting {trial.configuration} ...")
            try:
                server = await stack.enter_async_context(
                    running(peer, trial.configuration, settings)
                )
            except StartError as error:
                trial.problem = str(error)
                continue
            server.pause()
            trial.begin(Paused(server, given[0]), load(server, given, clients))
        for number in range(rounds):
            for trial in trials if number % 2 == 0 else reversed(trials):
                await trial.round(seconds)
                say(f"{peer.title}, round {number + 1} of {rounds}: {trial}")
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


def say(line: str) -> None:
    """Prints it with the time, at once."""
    print(f"{datetime.datetime.now():%H:%M:%S} {line}", flush=True)


def main() -> int:
    options = _parse()
    settings = Settings.load()
    litert = msgspec.structs.replace(settings, engine="litert")
    given = expected(litert, pictures.load(options.images))
    failed = False
    for name in options.names or PEERS:
        work = sweep(
            PEERS[name],
            given,
            settings,
            seconds=options.seconds,
            rounds=options.rounds,
            clients=options.clients,
        )
        try:
            found = asyncio.run(work)
        except ValueError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
            continue
        except KeyboardInterrupt:
            print(f"{name}: interrupted; those before it are kept", file=sys.stderr)
            return 130
        best.save({name: found}, options.out)
    return 1 if failed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.peers.sweep", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*PEERS, []], metavar="NAME")
    parser.add_argument(
        "--images", type=Path, help="a folder; default: cut-outs of photographs"
    )
    parser.add_argument("--out", type=Path, default=best.FILE, help="where it goes")
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
