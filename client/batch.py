"""Several pictures in one request: what HTTP costs is paid once. What does not go well goes on one by one."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import msgspec

from client.answers import Answer
from client.errors import BadAnswer, ClientError
from client.patience import Gate, Patience, asked_s
from client.request import PASSING, Heard, Problem, Request, body_of, reason, refusal

MOST: Final = 32  # pictures that a Pictor takes at once
UNKNOWN_THERE: Final = frozenset({404, 405, 501})  # an older Pictor
TOO_LARGE: Final = 413
LEAST_WAIT_S: Final = 1.0


class _Accepted(msgspec.Struct, frozen=True):
    id: str


class _Ended(msgspec.Struct, frozen=True):
    """How one picture ended, as `gateway.contract` has it."""

    status: int
    answer: Answer | None = None
    accepted: _Accepted | None = None
    problem: Problem | None = None
    retry_after_s: float | None = None


class _Batch(msgspec.Struct, frozen=True):
    results: tuple[_Ended, ...]


_batch: Final = msgspec.json.Decoder(_Batch)
Outcome = Answer | ClientError


@dataclass
class Batches:
    """Sends pictures together to one server, as long as it takes them so.

    Attributes:
        taken: it does, as far as is known.
    """

    session: aiohttp.ClientSession
    gate: Gate
    url: str
    taken: bool = field(default=True, init=False)

    async def outcomes(
        self,
        pictures: Sequence[bytes],
        query: dict[str, str],
        patience_s: float | None,
    ) -> list[Outcome]:
        """The outcomes of up to MOST pictures, in their order; each as if it had been sent alone."""
        if len(pictures) > MOST:
            raise ValueError(f"at most {MOST} pictures at once")
        patiences = [Patience(patience_s) for _ in pictures]
        ends: Sequence[_Ended | None] = [None] * len(pictures)
        if self.taken and len(pictures) > 1:
            ends = await self._ends(pictures, query, patience_s) or ends
        return list(
            await asyncio.gather(
                *(
                    self._outcome(picture, end, query, patience)
                    for picture, end, patience in zip(
                        pictures, ends, patiences, strict=True
                    )
                )
            )
        )

    async def _ends(
        self,
        pictures: Sequence[bytes],
        query: dict[str, str],
        patience_s: float | None,
    ) -> Sequence[_Ended] | None:
        """What the server makes of them together; None where it makes nothing of them."""
        try:
            async with asyncio.timeout(patience_s):
                await self.gate.passed()
                heard = await self._ask(pictures, query)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.gate.trouble = reason(error)
            return None
        except BadAnswer:
            return None  # each of them will say what answers there
        if heard.status in UNKNOWN_THERE or heard.status == TOO_LARGE:
            self.taken = False
        if heard.status in PASSING:
            wait_s = asked_s(heard.headers.get("Retry-After"), LEAST_WAIT_S)
            self.gate.close_for(wait_s)
        if heard.status != 200:
            return None
        self.gate.trouble = ""
        try:
            ends = _batch.decode(heard.body).results
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None  # likewise
        return ends if len(ends) == len(pictures) else None

    async def _ask(self, pictures: Sequence[bytes], query: dict[str, str]) -> Heard:
        boundary = secrets.token_hex(16)
        async with self.session.post(
            f"{self.url}/v1/batch",
            params=query,
            data=_form(pictures, boundary.encode()),
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
            allow_redirects=False,
        ) as response:
            return Heard(response.status, response.headers, await body_of(response))

    async def _outcome(
        self,
        picture: bytes,
        end: _Ended | None,
        query: dict[str, str],
        patience: Patience,
    ) -> Outcome:
        """One picture's: that of the batch, or of the way that it goes from there alone."""
        location = ""
        if end is not None:
            if end.answer is not None and end.answer.predictions:
                return end.answer
            if end.problem is not None and end.status not in PASSING:
                return refusal(end.status, end.problem)
            if end.accepted is not None:
                location = f"/v1/results/{end.accepted.id}"
        request = Request(self.session, self.gate, self.url, query, picture)
        try:
            if end is not None:
                await self._wait(end, patience)
            return await request.answer(patience, location)
        except ClientError as error:
            return error

    async def _wait(self, end: _Ended, patience: Patience) -> None:
        """Until it is worth while to try again, or to ask for its result; raises PatienceOver."""
        asked = None if end.retry_after_s is None else str(end.retry_after_s)
        why = end.problem.detail if end.problem else "still in the queue"
        wait_s = patience.after(why, asked)
        if not end.accepted:
            self.gate.close_for(wait_s)
        await asyncio.sleep(wait_s)


def _form(pictures: Sequence[bytes], boundary: bytes) -> bytes:
    """``multipart/form-data`` (RFC 7578) with a field ``file`` for each."""
    head = b"--" + boundary + b"\r\n"
    head += b'Content-Disposition: form-data; name="file"; filename="picture"\r\n\r\n'
    parts: list[bytes] = []
    for picture in pictures:
        parts += (head, picture, b"\r\n")
    return b"".join((*parts, b"--", boundary, b"--\r\n"))
