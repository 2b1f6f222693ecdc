"""Clients of all kinds, as a day brings them: most want an answer, some leave, some send rubbish."""

import asyncio
import collections
import itertools
import json
import os
import random
from collections.abc import Sequence
from typing import Final

from bench.clients import Expected
from bench.connection import Address, Connection, Form, Reply
from bench.pictures import numbered

# Of all requests; the rest are plain ones.
LEAVE: Final = 0.06
BAD: Final = 0.06
LATER: Final = 0.12
LONGEST_STAY_S: Final = 0.15  # of those that leave
POLL_S: Final = 0.1
PATIENCE_S: Final = 30.0  # with a result that is to be fetched
PAUSE_S: Final = 0.2  # after a refusal
BUSY: Final = (429, 503)


class Mix:
    """Takes requests from one count until it is used up.

    Attributes:
        done: requests that have ended, however.
        outcomes: how many ended how.
        faults: what should not have been: wrong answers, errors of the server, lost connections.
    """

    def __init__(self, address: Address, given: Sequence[Expected]) -> None:
        self.done = 0
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.faults: collections.Counter[str] = collections.Counter()
        self._address = address
        self._given = itertools.cycle(given)
        self._numbers = itertools.count(int.from_bytes(os.urandom(7), "big"))
        self._random = random.Random(1)

    async def run(self, requests: int, clients: int) -> None:
        """Sends so many requests with so many clients at a time."""
        numbers = iter(range(requests))

        async def client() -> None:
            connection = Connection(self._address)
            for _ in numbers:
                await self._one(connection)
                self.done += 1
            connection.close()

        await asyncio.gather(*(client() for _ in range(clients)))

    async def _one(self, connection: Connection) -> None:
        one, draw = next(self._given), self._random.random()
        data = numbered(one.picture.data, next(self._numbers))
        form = Form(self._address, "/predict", one.picture.media_type)
        try:
            if draw < LEAVE:
                await self._leave(connection, form.parts(data))
            elif draw < LEAVE + BAD:
                await self._bad(connection, form.parts(self._spoilt(data)))
            elif draw < LEAVE + BAD + LATER:
                await self._later(connection, one, data)
            else:
                await self._plain(connection, one, form.parts(data))
        except OSError:
            self.faults["connection lost"] += 1

    async def _plain(
        self, connection: Connection, one: Expected, parts: Sequence[bytes]
    ) -> None:
        reply = await connection.send(*parts)
        if reply.status == 200:
            self._note("answered", good=one.agrees(reply.body))
        else:
            await self._refused(reply)

    async def _leave(self, connection: Connection, parts: Sequence[bytes]) -> None:
        """Sends a request and goes away, mostly before it is answered."""
        sending = asyncio.create_task(connection.send(*parts))
        stay_s = self._random.random() * LONGEST_STAY_S
        await asyncio.wait({sending}, timeout=stay_s)
        self.outcomes["left too late" if sending.done() else "left"] += 1
        connection.close()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    async def _bad(self, connection: Connection, parts: Sequence[bytes]) -> None:
        reply = await connection.send(*parts)
        if reply.status in (400, 415, 422):
            self._note("bad, and told so")
        else:
            await self._refused(reply)

    async def _later(self, connection: Connection, one: Expected, data: bytes) -> None:
        """Asks to be answered later, and fetches the result."""
        reply = await connection.send(*self._request("/v1/classify", data))
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + PATIENCE_S
        outcome = "answered under /v1"
        while reply.status == 202 and loop.time() < give_up_at:
            outcome = "answered later"
            await asyncio.sleep(POLL_S)
            path = f"/v1/results/{json.loads(reply.body)['id']}"
            reply = await connection.send(*self._request(path, b""))
        if reply.status != 200:
            await self._refused(reply)
            return
        best = json.loads(reply.body)["predictions"][0]["label"]
        self._note(outcome, good=best == one.label)

    async def _refused(self, reply: Reply) -> None:
        if reply.status in BUSY:
            self._note("told to come back")
            await asyncio.sleep(PAUSE_S)
        else:
            self.faults[f"status {reply.status}"] += 1

    def _note(self, outcome: str, *, good: bool = True) -> None:
        self.outcomes[outcome] += 1
        if not good:
            self.faults["wrong answer"] += 1

    def _request(self, path: str, data: bytes) -> tuple[bytes, bytes]:
        lines = [
            f"{'POST' if data else 'GET'} {path} HTTP/1.1",
            f"Host: {self._address.host}:{self._address.port}",
            "Prefer: respond-async",
            *((f"Content-Length: {len(data)}",) if data else ()),
        ]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode(), data

    def _spoilt(self, data: bytes) -> bytes:
        """No picture any more: cut off, or noise."""
        if self._random.random() < 0.5:
            return data[: self._random.randint(20, len(data) // 2)]
        return self._random.randbytes(5000)
