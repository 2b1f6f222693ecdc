"""Pictures to a running Pictor, through its bulk lane."""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Final, Self

from client.answers import Answer
from client.asynchronous import Client
from client.collection.answering import Ended, Failed, Picture, groups
from client.collection.looks import number
from client.collection.records import Content
from client.errors import ClientError, Refused
from client.many import outcomes
from client.request import UNKNOWN

CALLER: Final = frozenset(
    {401, 403, 404}
)  # refusals that have nothing to do with the picture
TOGETHER: Final = 8  # pictures in a request: as many as share well what it costs
TOO_LARGE: Final = 413  # that of a proxy before a Pictor is about the picture


class Remote:
    """An `Answerer`: a server at an address.

    Attributes:
        model_digest: of the last answer.
    """

    def __init__(
        self,
        client: Client,
        *,
        top_k: int,
        concurrency: int,
        patience_s: float | None,
    ) -> None:
        """As for `client.Client.classify_many`."""
        self._client = client
        self._top_k, self._concurrency = top_k, concurrency
        self._patience_s = patience_s
        self.model_digest = ""

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def classify(
        self, pictures: AsyncIterable[Picture]
    ) -> AsyncGenerator[Ended, None]:
        """As `Answerer.classify`; raises PatienceOver, Refused where the caller is, and BadAnswer."""
        together = min(TOGETHER, self._concurrency)
        given = groups(pictures, together)
        at_once = self._concurrency // together
        async with aclosing(outcomes(self._several, given, at_once)) as source:
            async for ends in source:
                for ended in ends:
                    if isinstance(ended, Ended):
                        yield ended
                for ended in ends:
                    if not isinstance(ended, Ended):
                        raise ended

    @property
    def trouble(self) -> str:
        """As `Answerer.trouble`."""
        return self._client.trouble

    async def _several(self, pictures: Sequence[Picture]) -> list[Ended | ClientError]:
        outcomes = await self._client.classify_batch(
            [picture.data for picture in pictures],
            top_k=self._top_k,
            phash=True,
            patience_s=self._patience_s,
        )
        return [
            self._ended(picture, outcome)
            for picture, outcome in zip(pictures, outcomes, strict=True)
        ]

    def _ended(
        self, picture: Picture, answer: Answer | ClientError
    ) -> Ended | ClientError:
        """What becomes of a picture; an error that would befall all others as well stays one."""
        if isinstance(answer, Refused) and not _of_caller(answer):
            return _ended(picture, Failed(answer.code, answer.detail))
        if isinstance(answer, ClientError):
            return answer
        self.model_digest = answer.model_digest
        alike = number(bytes.fromhex(answer.phash or ""))
        return _ended(picture, _content(picture, answer, alike))


def _of_caller(refused: Refused) -> bool:
    """Whether it has nothing to do with the picture, and would befall all others."""
    strange = refused.code == UNKNOWN and refused.status != TOO_LARGE
    return refused.status in CALLER or strange


def _ended(picture: Picture, outcome: Content | Failed) -> Ended:
    return Ended(picture.number, picture.digest, outcome)


def _content(picture: Picture, answer: Answer, alike: int | None) -> Content:
    timing = answer.timing_ms
    return Content(
        *(picture.digest, len(picture.data), answer.predictions),
        *(answer.model, answer.model_digest),
        round(timing.get("decode", 0.0) + timing.get("inference", 0.0), 2),
        alike,
    )
