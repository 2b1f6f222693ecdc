"""What the sweep found: each peer's configurations with their rates, and the fastest, in ``best.json``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from bench.peers.peer import CORES, Configuration, Peer

FILE: Final = Path(__file__).with_name("best.json")


class Tried(msgspec.Struct, frozen=True):
    """A configuration, and what it reached.

    Attributes:
        rates: images a second, in each round.
        median: of them; 0 if it did not start.
        errors: answers other than 200 or wrong, and lost connections.
        problem: why it does not count, or nothing.
    """

    configuration: Configuration
    rates: tuple[float, ...]
    median: float
    errors: int = 0
    problem: str = ""

    @property
    def flaw(self) -> str:
        """Why it cannot be the best, or nothing."""
        return self.problem or (f"{self.errors} errors" if self.errors else "")


class Sweep(msgspec.Struct, frozen=True):
    """One peer's.

    Attributes:
        versions: of its packages.
        cores: that it could use.
        date: of the measurement, ISO 8601.
    """

    best: Configuration
    tried: tuple[Tried, ...]
    versions: dict[str, str]
    cores: int
    date: str


def choose(tried: Mapping[Configuration, Tried] | tuple[Tried, ...]) -> Configuration:
    """The fastest of those that made no error; among equals the first.

    Raises:
        ValueError: there is none.
    """
    given = tried.values() if isinstance(tried, Mapping) else tried
    sound = [one for one in given if one.median and not one.flaw]
    if not sound:
        raise ValueError("no configuration ran without an error")
    return max(sound, key=lambda one: one.median).configuration


def load(path: Path = FILE) -> dict[str, Sweep]:
    """By the peers' names; nothing if no sweep was made."""
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Sweep])


def save(found: Mapping[str, Sweep], path: Path = FILE) -> None:
    """Replaces the peers in question, and keeps the others."""
    merged = dict(sorted((load(path) | dict(found)).items()))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(merged)) + b"\n")


def unfit(sweep: Sweep | None, cores: int = CORES) -> str:
    """Why a sweep does not say what is best on so many cores, in words, or nothing."""
    if sweep is None:
        return "it was never swept"
    if sweep.cores != cores:
        return f"it was swept on {sweep.cores} cores, and here are {cores}"
    return ""


def configuration(peer: Peer, path: Path = FILE, cores: int = CORES) -> Configuration:
    """The best that a sweep on so many cores found; without such a sweep the first candidate."""
    sweep = load(path).get(peer.name)
    if sweep is None or unfit(sweep, cores):
        return peer.candidates[0]
    return sweep.best
