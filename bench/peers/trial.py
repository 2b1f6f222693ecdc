"""A candidate while `sweep` tries it: what its rounds saw, and whether it counts at all."""

import statistics
from dataclasses import dataclass, field
from typing import Protocol

from bench.clients import Round
from bench.peers.best import Tried
from bench.peers.peer import Configuration
from common.errors import StartError


class Subject(Protocol):
    """`bench.beside.Paused`."""

    def pause(self) -> None:
        """Stops it."""

    def resume(self) -> None:
        """Has it go on."""

    async def ready(self) -> None:
        """Returns once it answers; raises a StartError if it does not."""


class Clients(Protocol):
    """`bench.clients.Load`."""

    async def round(self, seconds: float) -> Round:
        """Measures; raises an OSError if answers stay away."""

    def close(self) -> None:
        """Closes all connections; another round opens them again."""


@dataclass
class Trial:
    """A configuration, its rates in each round, its errors, and why it does not count, or nothing."""

    configuration: Configuration
    problem: str = ""
    rates: list[float] = field(default_factory=list)
    errors: int = 0

    def begin(self, subject: Subject, clients: Clients) -> None:
        """It runs, and is stopped."""
        self._subject, self._clients = subject, clients

    async def round(self, seconds: float) -> None:
        """Measures it once, stopped before and after; one with a problem is left alone."""
        if self.problem:
            return
        self._subject.resume()
        try:
            await self._subject.ready()  # it has slept; that is not its fault
            seen = await self._clients.round(seconds)
        except (OSError, StartError) as error:
            self.problem = str(error)
            return
        finally:
            # Servers close connections that were idle for long, and time goes on for one that is stopped.
            self._clients.close()
            self._subject.pause()
        self.rates.append(round(seen.rate, 1))
        self.errors += seen.errors + seen.wrong

    def found(self) -> Tried:
        """What came of it."""
        median = round(statistics.median(self.rates), 1) if self.rates else 0.0
        rates = tuple(self.rates)
        return Tried(self.configuration, rates, median, self.errors, self.problem)

    def __str__(self) -> str:
        rate = "no rate" if self.problem else f"{self.rates[-1]:.1f} images/s"
        errors = f", {self.errors} errors until now" if self.errors else ""
        return f"{self.configuration}: {rate}{errors}"
