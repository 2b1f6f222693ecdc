"""Clients over HTTP in a closed loop, each with payloads of its own, for workers that only wait."""

import asyncio
import itertools
import os
from collections.abc import Sequence

import msgspec

from bench.clients import Prediction
from bench.connection import Address, Connection, Form
from bench.waiting import expected, payload

PAUSE_S = 0.1  # after an error


class Asking:
    """So many clients at once, from `start` to `stop`.

    Attributes:
        done: right answers.
        errors: others, refusals and lost connections.
    """

    def __init__(
        self, url: str, size: int, clients: int, labels: Sequence[str]
    ) -> None:
        address = Address.of(url)
        self._size = size
        self._labels = labels
        self._form = Form(address, "/predict", "image/jpeg")
        self._numbers = itertools.count(int.from_bytes(os.urandom(6), "big"))
        self._connections = [Connection(address) for _ in range(clients)]
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self.done = 0
        self.errors = 0

    def start(self) -> None:
        """Has all clients ask."""
        self._tasks = [asyncio.create_task(self._client(c)) for c in self._connections]

    async def stop(self) -> None:
        """Returns once each has its last answer, connections closed."""
        self._stopping = True
        await asyncio.gather(*self._tasks)
        for connection in self._connections:
            connection.close()

    async def _client(self, connection: Connection) -> None:
        while not self._stopping:
            image = payload(self._size, next(self._numbers))
            try:
                reply = await connection.send(*self._form.parts(image))
            except OSError:
                right = False
            else:
                right = reply.status == 200 and self._right(image, reply.body)
            self.done += right
            self.errors += not right
            if not right:
                await asyncio.sleep(PAUSE_S)

    def _right(self, image: bytes, body: bytes) -> bool:
        try:
            given = msgspec.json.decode(body, type=Prediction)
        except msgspec.MsgspecError:  # no such answer at all
            return False
        place, score = expected(image, len(self._labels))
        right_score = given.score is not None and abs(given.score - score) < 1e-4
        return given.prediction == self._labels[place] and right_score
