"""Keeps the bulk lane full as a collection would: accepted with 202, told to wait with 429."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from bench.clients import Expected
from bench.connection import Address, Connection, Raw
from bench.pictures import numbered
from bench.setup import Subject
from common import keys
from common.connections import Keeper
from common.errors import StartError

CLIENTS: Final = 4
BOUND: Final = (
    1000  # entries that may wait; full is full, and what is more only takes longer to drain
)
ASK: Final = (("Prefer", "respond-async"),)
CHECKED: Final = 25  # of so many accepted one is fetched
FILL_S: Final = 60.0
DRAIN_S: Final = 120.0
POLL_S: Final = 0.1
LONGEST_WAIT_S: Final = 2.0  # after a refusal, whatever it says


class Accepted(msgspec.Struct):
    """What is needed of a 202."""

    id: str


class Prediction(msgspec.Struct):
    """What is needed of a result."""

    label: str
    score: float


class Classified(msgspec.Struct):
    """The same."""

    predictions: list[Prediction]


@dataclass
class Filled:
    """What became of the collection.

    Attributes:
        accepted: pictures that were answered 202.
        refused: answers that said: later.
        errors: other answers, lost connections, and results that were not to be had.
        wrong: results fetched that were not their picture's.
    """

    accepted: int = 0
    refused: int = 0
    errors: int = 0
    wrong: int = 0
    ids: list[tuple[str, Expected]] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """For a file."""
        return {"bulk_accepted": self.accepted, "bulk_refused": self.refused}


class Collection:
    """A company's pictures without end."""

    def __init__(self, subject: Subject, given: Sequence[Expected]) -> None:
        self._address: Address = subject.process.address
        self._redis_url = subject.system.server.admin_url
        self._stream = keys.requests(subject.system.settings.model_name, "bulk")
        self._given = itertools.cycle(given)
        self._numbers = itertools.count(int.from_bytes(os.urandom(7), "big"))

    @contextlib.asynccontextmanager
    async def behind(self) -> AsyncIterator[Filled]:
        """The lane is full from here on until the context ends, and empty after it.

        Raises:
            StartError: it does not fill, or does not empty.
        """
        filled, full = Filled(), asyncio.Event()
        clients = [
            asyncio.create_task(self._client(filled, full)) for _ in range(CLIENTS)
        ]
        try:
            await _within(full.wait(), FILL_S, "the bulk lane does not fill")
            yield filled
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
        await _within(self._drained(), DRAIN_S, "the bulk lane does not empty")
        await self._check(filled)

    async def _client(self, filled: Filled, full: asyncio.Event) -> None:
        connection = Connection(self._address)
        try:
            while True:
                await self._one(connection, filled, full)
        finally:
            connection.close()

    async def _one(
        self, connection: Connection, filled: Filled, full: asyncio.Event
    ) -> None:
        one = next(self._given)
        path, media_type = "/v1/classify?lane=bulk", one.picture.media_type
        post = Raw(self._address, path, media_type, ASK)
        data = numbered(one.picture.data, next(self._numbers))
        try:
            reply = await connection.send(*post.parts(data))
        except OSError:
            filled.errors += 1
            await asyncio.sleep(POLL_S)
            return
        if reply.status == 202:
            filled.accepted += 1
            if filled.accepted % CHECKED == 0:
                accepted = msgspec.json.decode(reply.body, type=Accepted)
                filled.ids.append((accepted.id, one))
        elif reply.status == 429:
            filled.refused += 1
            full.set()
            wait_s = float(reply.header("Retry-After") or 1)
            await asyncio.sleep(min(wait_s, LONGEST_WAIT_S))
        else:
            filled.errors += 1
            await asyncio.sleep(POLL_S)

    async def _drained(self) -> None:
        link = Keeper(self._redis_url, name="bench")
        try:
            waiting = await link.call("XLEN", self._stream)
            while waiting:
                await asyncio.sleep(POLL_S)
                waiting = await link.call("XLEN", self._stream)
        finally:
            await link.close()

    async def _check(self, filled: Filled) -> None:
        """Fetches what was noted: every one has a result, and its own."""
        connection = Connection(self._address)
        host = f"{self._address.host}:{self._address.port}"
        for request_id, one in filled.ids:
            head = f"GET /v1/results/{request_id} HTTP/1.1\r\nHost: {host}\r\n\r\n"
            reply = await connection.send(head.encode())
            if reply.status != 200:
                filled.errors += 1
                continue
            best = msgspec.json.decode(reply.body, type=Classified).predictions[0]
            filled.wrong += not one.named(best.label, best.score)
        connection.close()


async def _within(work: Awaitable[object], patience_s: float, otherwise: str) -> None:
    try:
        async with asyncio.timeout(patience_s):
            await work
    except TimeoutError:
        raise StartError(f"{otherwise} within {patience_s:g} s") from None
