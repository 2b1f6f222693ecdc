"""One picture's way to its answer: sent, waited for, asked about again, until it ends.

A request that the server has answered with 202 is durable there: from then on its result is asked for,
over any connection, and the picture is sent again only if the server no longer knows it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec

from client.answers import Answer
from client.errors import BadAnswer, Refused
from client.patience import Gate, Patience

PASSING: Final = frozenset(
    {408, 429, 500, 502, 503, 504}
)  # they may pass by themselves
KIND: Final = {"Content-Type": "application/octet-stream"}
GONE: Final = "the server no longer knows the request"

_answer: Final = msgspec.json.Decoder(Answer)


class _Problem(msgspec.Struct):
    """RFC 9457, as Pictor fills it in."""

    type: str
    title: str = ""
    detail: str = ""
    request_id: str = ""


_problem: Final = msgspec.json.Decoder(_Problem)


@dataclass(frozen=True)
class _Heard:
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

    async def answer(self, patience: Patience) -> Answer:
        """Sends it and waits; raises as `client.Client.classify` does."""
        location = ""  # where its result will be, once the server has said so
        while True:
            await self.gate.passed()
            try:
                heard = await self._ask(location)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                await asyncio.sleep(patience.after(str(error) or type(error).__name__))
                continue
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
                wait_s = patience.after(
                    refused(heard.status, heard.body).detail, retry_after
                )
                if not location:  # asking for a result adds nothing to a queue
                    self.gate.close_for(wait_s)
                await asyncio.sleep(wait_s)
            else:
                raise refused(heard.status, heard.body)

    async def _ask(self, location: str) -> _Heard:
        if location:
            asking = self.session.get(f"{self.url}{location}")
        else:
            asking = self.session.post(
                f"{self.url}/v1/classify",
                params=self.query,
                data=self.picture,
                headers=KIND,
            )
        async with asking as response:
            return _Heard(response.status, response.headers, await response.read())


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
        return Refused(status, "unknown", f"The server answers {status}.")
    return Refused(status, said.type, said.detail or said.title, said.request_id)
