"""Clients in number: distinct small photographs, and what came of each.

Lean, since they share two cores with the system: `bench.connection` rather than a whole HTTP client.
"""

import asyncio
import contextlib
import functools
import io
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from bench.connection import Address, Connection, Reply
from common import keys
from tests.support.pictures import distinct, photograph
from tests.support.system import total

SIDE_PX: Final = 256
# What lite0 says of scikit-image's photographs.
EXPECTED: Final = {
    "coffee.png": {"espresso"},
    "camera.png": {"tripod"},
    "motorcycle_left.png": {"moped"},
    "chelsea.png": {"tiger_cat", "Egyptian_cat", "tabby"},
}
NAMES: Final = tuple(EXPECTED)
STREAM: Final = keys.requests("efficientnet_lite0", "interactive")
DEFER: Final = "Prefer: respond-async\r\n"


@functools.cache
def small(name: str) -> bytes:
    """A photograph as a JPEG of about 15 KB."""
    with Image.open(io.BytesIO(photograph(name))) as image:
        out = io.BytesIO()
        image.convert("RGB").resize((SIDE_PX, SIDE_PX)).save(out, "JPEG", quality=85)
        return out.getvalue()


@dataclass(frozen=True)
class Answer:
    """What a client was told about a photograph, and how long that took in seconds."""

    name: str
    reply: Reply
    sent_at: float
    seconds: float

    @property
    def status(self) -> int:
        return self.reply.status

    @property
    def code(self) -> str:
        """The error's slug, or nothing."""
        return self.reply.header("X-Error-Code")

    @property
    def label(self) -> str:
        body = json.loads(self.reply.body)
        if "predictions" in body:
            return str(body["predictions"][0]["label"])
        return str(body["prediction"])

    @property
    def right(self) -> bool:
        """Whether this is the answer for this client's photograph."""
        return self.status == 200 and self.label in EXPECTED[self.name]

    @property
    def outcome(self) -> str:
        """In a word, for counting."""
        if self.status == 200:
            return "right" if self.right else "wrong"
        return f"{self.status} {self.code}".strip()


class Clients:
    """Any number of clients of one system; connections are kept and used again."""

    def __init__(self, url: str) -> None:
        self.address = Address.of(url)
        self._idle: list[Connection] = []
        self._names = itertools.cycle(NAMES)

    async def ask(
        self, path: str = "/predict", *, data: bytes | None = None, headers: str = ""
    ) -> Answer:
        """Sends a photograph that nobody has sent before; raises OSError if it is not answered."""
        name = next(self._names)
        picture = data if data is not None else distinct(small(name))
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.address.host}:{self.address.port}\r\n"
            f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n{headers}\r\n"
        )
        connection = self._idle.pop() if self._idle else Connection(self.address)
        sent_at = time.monotonic()
        try:
            reply = await connection.send(head.encode(), picture)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return Answer(name, reply, sent_at, time.monotonic() - sent_at)

    async def get(self, path: str) -> Reply:
        """Fetches an address."""
        head = f"GET {path} HTTP/1.1\r\nHost: {self.address.host}\r\n\r\n"
        connection = self._idle.pop() if self._idle else Connection(self.address)
        reply = await connection.send(head.encode())
        self._idle.append(connection)
        return reply

    async def metric(self, name: str) -> float:
        """The sum of a metric's values on the gateway's ``/metrics``."""
        return total((await self.get("/metrics")).body.decode(), name)

    def close(self) -> None:
        """Closes what is not in use; the next request opens a connection anew."""
        while self._idle:
            self._idle.pop().close()


async def defer(clients: Clients, number: int) -> list[str]:
    """Has pictures accepted to be asked about later; where their results will be."""
    asking = (clients.ask("/v1/classify", headers=DEFER) for _ in range(number))
    answers = await asyncio.gather(*asking)
    assert {answer.status for answer in answers} == {202}
    return [answer.reply.header("Location") for answer in answers]


async def results(
    clients: Clients, places: Sequence[str], within_s: float
) -> list[int]:
    """The status of each result, once none is still running."""

    async def one(place: str) -> int:
        while True:
            # Whose gateway has died connects again, to another.
            with contextlib.suppress(OSError):
                if (reply := await clients.get(place)).status != 202:
                    return reply.status
            await asyncio.sleep(0.1)

    async with asyncio.timeout(within_s):
        return await asyncio.gather(*(one(place) for place in places))


async def until(condition: Callable[[], Awaitable[bool]], within_s: float) -> None:
    """Returns once something holds."""
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.02)


class Stream:
    """Clients that ask one thing after another until they are told to stop."""

    def __init__(self, clients: Clients, number: int, path: str = "/predict") -> None:
        self.answers: list[Answer] = []
        self.failures: list[OSError] = []
        self._clients = clients
        self._stop = asyncio.Event()
        self._tasks = [asyncio.create_task(self._run(path)) for _ in range(number)]

    async def _run(self, path: str) -> None:
        while not self._stop.is_set():
            try:
                answer = await self._clients.ask(path)
            except OSError as error:
                self.failures.append(error)
                await asyncio.sleep(0.05)
                continue
            self.answers.append(answer)
            if answer.status != 200:
                await asyncio.sleep(0.05)

    async def success(self, since: float, within_s: float) -> float:
        """Seconds from `since` until what was asked after it is first answered rightly."""
        async with asyncio.timeout(within_s):
            while True:
                for answer in reversed(self.answers):
                    if answer.right and answer.sent_at >= since:
                        return answer.sent_at + answer.seconds - since
                await asyncio.sleep(0.02)

    async def stop(self) -> list[Answer]:
        """Stops asking, waits for the answers that are due, and returns all."""
        self._stop.set()
        await asyncio.gather(*self._tasks)
        return self.answers


async def recovery(clients: Clients, since: float, within_s: float = 10) -> float:
    """Seconds from a moment until a picture sent after it is answered rightly."""
    stream = Stream(clients, 1)
    try:
        return await stream.success(since, within_s)
    finally:
        await stream.stop()
