"""One picture's way to its answer: sent, waited for, asked about again, until it ends.

A request that the server has answered with 202 is durable there: from then on its result is asked for,
over any connection, and the picture is sent again only if the server no longer knows it.
"""

import asyncio
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec

from client.answers import Answer
from client.errors import BadAnswer, ClientError, Refused
from client.patience import Gate, Patience

PASSING: Final = frozenset(
    {408, 429, 500, 502, 503, 504}
)  # they may pass by themselves
KIND: Final = {"Content-Type": "application/octet-stream"}
UNKNOWN: Final = "unknown"  # the code of a refusal that is not in Pictor's words
GONE: Final = "the server no longer knows the request"
LARGEST: Final = 10_000_000  # bytes of an answer

_answer: Final = msgspec.json.Decoder(Answer)


class Problem(msgspec.Struct):
    """RFC 9457, as Pictor fills it in."""

    type: str
    title: str = ""
    detail: str = ""
    request_id: str = ""


_problem: Final = msgspec.json.Decoder(Problem)


@dataclass(frozen=True)
class Heard:
    """An HTTP answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Request:
    """One picture, and how it is asked for.

    Attributes:
        session: whose connections are used.
        gate: what all requests of a client pass before they send.
        url: the server.
        query: of ``/v1/classify``.
        picture: the bytes of a file.
    """

    session: aiohttp.ClientSession
    gate: Gate
    url: str
    query: Mapping[str, str]
    picture: bytes

    async def answer(self, patience: Patience, location: str = "") -> Answer:
        """Sends it and waits; raises as `client.Client.classify` does.

        Args:
            patience: how long for.
            location: where its result will be, if the server has said so already.
        """
        while True:
            try:
                heard = await self._in_time(location, patience.left_s())
            except aiohttp.ClientConnectorCertificateError as error:
                raise BadAnswer(f"{self.url} is not trusted: {error}") from error
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.gate.trouble = reason(error)
                await asyncio.sleep(patience.after(self.gate.trouble))
                continue
            self.gate.trouble = ""
            retry_after = heard.headers.get("Retry-After")
            if heard.status == 200:
                return _read_answer(heard.body)
            if heard.status == 202:
                patience.succeeded()
                location = heard.headers.get("Location", "")
                _check_location(location)
                await asyncio.sleep(patience.after("still in the queue", retry_after))
            elif location and heard.status == 404:
                location = ""
                await asyncio.sleep(patience.after(GONE))
            elif heard.status in PASSING:
                why = refused(heard.status, heard.body).detail
                if heard.status != 429:  # a full queue is nothing out of the ordinary
                    self.gate.trouble = why
                wait_s = patience.after(why, retry_after)
                if not location:  # asking for a result adds nothing to a queue
                    self.gate.close_for(wait_s)
                await asyncio.sleep(wait_s)
            else:
                raise self._no(heard)

    def _no(self, heard: Heard) -> ClientError:
        if 300 <= heard.status < 400:  # pictures and key go nowhere else
            there = heard.headers.get("Location", "another address")
            return BadAnswer(f"{self.url} points at {there}; give the right address")
        return refused(heard.status, heard.body)

    async def _in_time(self, location: str, seconds: float) -> Heard:
        """An answer within so many seconds, or TimeoutError."""
        async with asyncio.timeout(None if math.isinf(seconds) else seconds):
            await self.gate.passed()
            return await self._ask(location)

    async def _ask(self, location: str) -> Heard:
        if location:
            asking = self.session.get(f"{self.url}{location}", allow_redirects=False)
        else:
            asking = self.session.post(
                f"{self.url}/v1/classify",
                params=self.query,
                data=self.picture,
                headers=KIND,
                allow_redirects=False,
            )
        async with asking as response:
            return Heard(response.status, response.headers, await body_of(response))


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """All of it; raises BadAnswer where there is no end of it."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > LARGEST:
            raise BadAnswer(f"an answer of more than {LARGEST / 1e6:g} MB")
    return bytes(body)


def _read_answer(body: bytes) -> Answer:
    try:
        found = _answer.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadAnswer(f"this is no answer of Pictor's: {error}") from error
    if not found.predictions:
        raise BadAnswer("an answer without predictions")
    return found


def _check_location(location: str) -> None:
    """A result's address is a path on the same server; the key is sent to no other."""
    if not location.startswith("/v1/results/"):
        raise BadAnswer("a 202 that does not say where its result will be")


def refused(status: int, body: bytes) -> Refused:
    """A server's no; one that is not in Pictor's words is told by its status."""
    try:
        said = _problem.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Refused(status, UNKNOWN, f"The server answers {status}.")
    return refusal(status, said)


def refusal(status: int, said: Problem) -> Refused:
    """A server's no in its own words."""
    return Refused(
        status, said.type, said.detail or said.title or said.type, said.request_id
    )


def reason(error: Exception) -> str:
    """Why there is no answer, in words of the system where it has some; a timeout has none."""
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        if cause.errno and cause.errno > 0:
            return os.strerror(cause.errno)
        return cause.strerror or str(cause)  # of names that nobody knows
    return str(error) or "it takes too long"
