"""Servers that take turns (`bench.interleave`): what stops them, and when they answer as before."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from bench import interleave, spent
from bench.connection import Address, Connection
from bench.system import System, system
from common.errors import StartError
from common.settings import Settings

READY_S: Final = 30.0  # the longest that a server may take to come back
PROBE_S: Final = 0.05
HELD: Final = (
    10  # "ready" so often in a row: heartbeats were missed, links are opened anew
)


@dataclass(frozen=True)
class Process:
    """A server and its processes.

    Attributes:
        address: where it listens.
        parts: its topmost processes' ids by name, in the order in which they are to go on.
        path: answered with 200 once it is ready.
        held: how often in a row.
    """

    address: Address
    parts: Mapping[str, int]
    path: str
    held: int = 1

    def pause(self) -> None:
        """Stops all, from the last one named to the first."""
        for pid in reversed(list(self.parts.values())):
            interleave.pause([pid])

    def resume(self) -> None:
        """Has all go on."""
        interleave.resume(list(self.parts.values()))

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds of each part until now, with those below it that live."""
        return {name: interleave.cpu_s([pid]) for name, pid in self.parts.items()}

    async def ready(self) -> None:
        """Returns once it answers.

        Raises:
            StartError: it does not.
        """
        await answering(self.address, self.path, READY_S, self.held)


class Whole(Process):
    """A whole Pictor, whose processor time is told by what it was for."""

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds of each part until now (`bench.spent`)."""
        return spent.by_part(list(self.parts.values()))


@contextlib.asynccontextmanager
async def pictor(settings: Settings) -> AsyncIterator[tuple[System, Process]]:
    """A whole Pictor of the bench's own, and how it is stopped: Redis last, so that it goes on first."""
    async with system(settings) as running:
        parts = {"redis": running.server.pid, "gateway and workers": running.pid}
        yield running, Whole(Address.of(running.url), parts, "/readyz", HELD)


async def answering(
    address: Address, path: str, patience_s: float, held: int = 1
) -> None:
    """Returns once a GET was answered with 200 so often in a row.

    Raises:
        StartError: it was not.
    """
    where = f"{address.host}:{address.port}"
    head = f"GET {path} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode()
    good = 0
    try:
        async with asyncio.timeout(patience_s):
            while True:
                connection = Connection(address)
                try:
                    status = (await connection.send(head)).status
                except OSError:  # not listening yet, or not any more
                    status = 0
                finally:
                    connection.close()
                good = good + 1 if status == 200 else 0
                if good == held:
                    return
                await asyncio.sleep(PROBE_S)
    except TimeoutError:
        reason = f"http://{where}{path} did not answer with 200 within {patience_s:g} s"
        raise StartError(reason) from None
