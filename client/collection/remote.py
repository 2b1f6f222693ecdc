"""Pictures to a running Pictor, through its bulk lane."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from types import TracebackType
from typing import Final, Self

from client.answers import Answer
from client.asynchronous import Client
from client.collection.answering import Ended, Failed, Picture
from client.collection.looks import looks
from client.collection.records import Content
from client.errors import Refused
from client.many import outcomes
from client.request import UNKNOWN

CALLER: Final = frozenset(
    {401, 403, 404}
)  # refusals that have nothing to do with the picture
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
        async with aclosing(outcomes(self._one, pictures, self._concurrency)) as source:
            async for ended in source:
                yield ended

    @property
    def trouble(self) -> str:
        """As `Answerer.trouble`."""
        return self._client.trouble

    async def _one(self, picture: Picture) -> Ended:
        try:
            answer = await self._client.classify(
                picture.data,
                top_k=self._top_k,
                lane="bulk",
                patience_s=self._patience_s,
            )
        except Refused as error:
            if error.status in CALLER or (
                error.code == UNKNOWN and error.status != TOO_LARGE
            ):
                raise
            return _ended(picture, Failed(error.code, error.detail))
        self.model_digest = answer.model_digest
        alike = await asyncio.to_thread(looks, picture.data)
        return _ended(picture, _content(picture, answer, alike))


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
