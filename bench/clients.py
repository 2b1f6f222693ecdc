"""Many clients at once, each with pictures that no cache has seen, and what they saw."""

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from bench.connection import Address, Connection, Form
from bench.pictures import Picture, numbered

TOLERANCE: Final = 2e-4  # of a score; answers are rounded to four digits
WARM_UP_S: Final = 1.0


class Prediction(msgspec.Struct, forbid_unknown_fields=True):
    """The plain contract's answer: exactly these three keys."""

    success: bool
    prediction: str | None
    score: float | None


@dataclass(frozen=True)
class Expected:
    """A picture and its right answer."""

    picture: Picture
    label: str
    score: float

    def agrees(self, body: bytes) -> bool:
        """Whether an answer is this picture's."""
        given = msgspec.json.decode(body, type=Prediction)
        return (
            given.success
            and given.prediction == self.label
            and given.score is not None
            and abs(given.score - self.score) <= TOLERANCE
        )


@dataclass
class Round:
    """What one round saw.

    Attributes:
        seconds: that were counted, after warming up.
        latencies_ms: of each right answer within them.
        errors: answers other than 200, and lost connections, also while warming up.
        wrong: answers that were not their picture's, likewise.
        client_s: processor seconds that this client took.
        batch: images a micro-batch, mean; None where it was not asked for.
    """

    seconds: float
    latencies_ms: list[float] = field(default_factory=list)
    errors: int = 0
    wrong: int = 0
    client_s: float = 0.0
    batch: float | None = None

    @property
    def rate(self) -> float:
        """Images a second."""
        return len(self.latencies_ms) / self.seconds

    def percentile(self, share: float) -> float:
        """Latency in milliseconds that this share of the answers kept (nearest rank)."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def __str__(self) -> str:
        if not self.latencies_ms:
            return f"no right answer; {self.errors} errors, {self.wrong} wrong pairings"
        quantiles = "/".join(f"{self.percentile(q):.0f}" for q in (0.5, 0.95, 0.99))
        batch = "" if self.batch is None else f", mean batch {self.batch:.2f}"
        return (
            f"{self.rate:.1f} images/s, p50/p95/p99 {quantiles} ms, {self.errors} errors, "
            f"{self.wrong} wrong pairings{batch}, "
            f"client {1000 * self.client_s / len(self.latencies_ms):.2f} ms an image"
        )


class Load:
    """N clients, each sending its next picture as soon as it has the answer to the last."""

    def __init__(
        self, address: Address, given: Sequence[Expected], clients: int
    ) -> None:
        self._given = itertools.cycle(given)
        # Numbers never seen before, also not in an earlier run that the cache remembers.
        self._numbers = itertools.count(int.from_bytes(os.urandom(7), "big"))
        self._forms = {
            kind: Form(address, "/predict", kind)
            for kind in {one.picture.media_type for one in given}
        }
        self._connections = [Connection(address) for _ in range(clients)]

    async def round(self, seconds: float) -> Round:
        """Runs all clients for WARM_UP_S and then `seconds`, which count."""
        seen = Round(seconds)
        start = time.perf_counter() + WARM_UP_S
        cpu_s = time.process_time()
        await asyncio.gather(
            *(self._client(one, start, seen) for one in self._connections)
        )
        # Spent on the warm-up too; its share is that of the time.
        share = seconds / (time.perf_counter() - start + WARM_UP_S)
        seen.client_s = (time.process_time() - cpu_s) * share
        return seen

    async def _client(self, connection: Connection, start: float, seen: Round) -> None:
        end = start + seen.seconds
        while time.perf_counter() < end:
            one = next(self._given)
            data = numbered(one.picture.data, next(self._numbers))
            parts = self._forms[one.picture.media_type].parts(data)
            sent = time.perf_counter()
            try:
                reply = await connection.send(*parts)
            except OSError:
                seen.errors += 1
                await asyncio.sleep(0.1)
                continue
            now = time.perf_counter()
            if reply.status != 200:
                seen.errors += 1
                await asyncio.sleep(0.1)  # it said: later
            elif not one.agrees(reply.body):
                seen.wrong += 1
            elif start <= now < end:
                seen.latencies_ms.append((now - sent) * 1000)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
