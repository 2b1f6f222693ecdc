"""Many clients at once, each with pictures that no cache has seen, and what they saw."""

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from bench.connection import Address, Connection, Form, Post
from bench.pictures import Picture, numbered

TOLERANCE: Final = 2e-4  # of a score; answers are rounded to four digits
WARM_UP_S: Final = 1.0
PATIENCE_S: Final = 30.0  # with answers that are due when a round has ended


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
        """Whether an answer is this picture's, in Pictor's plain contract to the letter."""
        given = msgspec.json.decode(body, type=Prediction)
        return given.success and self.named(given.prediction, given.score)

    def named(self, label: str | None, score: float | None) -> bool:
        """Whether these are this picture's, whoever says so."""
        near = score is not None and abs(score - self.score) <= TOLERANCE
        return near and label == self.label


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
        server_s: processor seconds of the server's parts, warm-up included, by their names.
        answered: requests answered right, warm-up included.
    """

    seconds: float
    latencies_ms: list[float] = field(default_factory=list)
    errors: int = 0
    wrong: int = 0
    client_s: float = 0.0
    batch: float | None = None
    server_s: dict[str, float] = field(default_factory=dict)
    answered: int = 0

    @property
    def rate(self) -> float:
        """Images a second."""
        return len(self.latencies_ms) / self.seconds

    def percentile(self, share: float) -> float:
        """Latency in milliseconds that this share of the answers kept (nearest rank)."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def facts(self) -> dict[str, Any]:
        """For a file: the figures of this round."""
        answered = bool(self.latencies_ms)
        latencies = {
            f"p{100 * share:g}_ms": round(self.percentile(share), 2)
            for share in (0.5, 0.95, 0.99)
            if answered
        }
        facts: dict[str, Any] = {"rate": round(self.rate, 2), **latencies}
        if self.answered and self.server_s:
            cost = {
                name: round(1000 * seconds / self.answered, 3)
                for name, seconds in self.server_s.items()
            }
            facts |= {
                "server_ms": round(sum(cost.values()), 3),
                "server_parts_ms": cost,
            }
        return {**facts, "errors": self.errors, "wrong": self.wrong}

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


def plain_form(address: Address, media_type: str) -> Post:
    """The form of the plain contract."""
    return Form(address, "/predict", media_type)


def plain_answer(one: Expected, sent: bytes, body: bytes) -> bool:
    """Whether the plain contract's answer is the picture's, however its file was numbered."""
    return one.agrees(body)


class Load:
    """N clients, each sending its next picture as soon as it has the answer to the last.

    Args:
        address: of the server.
        given: the pictures, in turn.
        clients: how many.
        post: how a server's address is asked about files of a media type.
        agrees: whether an answer is right, from the picture, the bytes sent and the answer's body.
        new: each picture is one that no cache has seen.
    """

    def __init__(
        self,
        address: Address,
        given: Sequence[Expected],
        clients: int,
        *,
        post: Callable[[Address, str], Post] = plain_form,
        agrees: Callable[[Expected, bytes, bytes], bool] = plain_answer,
        new: bool = True,
    ) -> None:
        self._given = itertools.cycle(given)
        # Numbers never seen before, also not in an earlier run that the cache remembers.
        self._numbers = itertools.count(int.from_bytes(os.urandom(7), "big"))
        self._forms = {
            media_type: post(address, media_type)
            for media_type in {one.picture.media_type for one in given}
        }
        self._agrees = agrees
        self._new = new
        self._connections = [Connection(address) for _ in range(clients)]

    async def round(self, seconds: float) -> Round:
        """Runs all clients for WARM_UP_S and then `seconds`, which count.

        Raises:
            OSError: requests are still unanswered PATIENCE_S later.
        """
        seen = Round(seconds)
        start = time.perf_counter() + WARM_UP_S
        cpu_s = time.process_time()
        try:
            async with asyncio.timeout(WARM_UP_S + seconds + PATIENCE_S):
                await asyncio.gather(
                    *(self._client(one, start, seen) for one in self._connections)
                )
        except TimeoutError:
            raise OSError(f"no answer within {PATIENCE_S:g} s") from None
        # Spent on the warm-up too; its share is that of the time.
        share = seconds / (time.perf_counter() - start + WARM_UP_S)
        seen.client_s = (time.process_time() - cpu_s) * share
        return seen

    async def _client(self, connection: Connection, start: float, seen: Round) -> None:
        end = start + seen.seconds
        while time.perf_counter() < end:
            one = next(self._given)
            data = one.picture.data
            if self._new:
                data = numbered(data, next(self._numbers))
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
            elif not self._right(one, data, reply.body):
                seen.wrong += 1
            else:
                seen.answered += 1
                if start <= now < end:
                    seen.latencies_ms.append((now - sent) * 1000)

    def _right(self, one: Expected, sent: bytes, body: bytes) -> bool:
        try:
            return self._agrees(one, sent, body)
        except (msgspec.MsgspecError, UnicodeDecodeError):  # no such answer at all
            return False

    def close(self) -> None:
        """Closes all connections; another round opens them again."""
        for connection in self._connections:
            connection.close()
