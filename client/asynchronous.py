"""The async client: one connection pool, one gate, any number of pictures."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self, TypeVar

import aiohttp

from client.addresses import address
from client.answers import Answer, Outcome
from client.batch import Batches
from client.errors import ClientError, Unreadable
from client.many import outcomes
from client.patience import Gate, Patience
from client.request import Request

Lane = Literal["interactive", "bulk"]
PathOrBytes = bytes | str | os.PathLike[str]
Given = TypeVar("Given", bound=PathOrBytes)

PATIENCE_S: Final = 60.0
CONCURRENCY: Final = 32  # enough for full batches on every core
NOT_OPEN: Final = "use the client as a context manager: async with Client()"
SILENCE_S: Final = 60.0  # without a byte from the server a connection counts as broken


class Client:
    """A client of one Pictor; use it as a context manager, from one event loop.

    Raises:
        BadAddress: the address is not one of HTTP.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str = "",
        connections: int = 64,
    ) -> None:
        """Nothing is connected yet.

        Args:
            url: where Pictor listens, without a path.
            key: an API key with the scope ``classify``, where Pictor wants one.
            connections: at most, to the server.
        """
        self.url = address(url, key)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._connections = connections
        self._gate = Gate()
        self._session: aiohttp.ClientSession | None = None
        self._batches: Batches | None = None

    @property
    def trouble(self) -> str:
        """Why the server has not answered the last request; empty where it has."""
        return self._gate.trouble

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=None, sock_read=SILENCE_S, connect=10),
        )
        self._batches = Batches(self._session, self._gate, self.url)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def classify(
        self,
        picture: PathOrBytes,
        *,
        top_k: int = 5,
        lane: Lane = "interactive",
        explain: int | None = None,
        phash: bool = False,
        patience_s: float | None = PATIENCE_S,
    ) -> Answer:
        """Classifies one picture.

        Args:
            picture: the bytes of a JPEG, PNG, GIF or WebP, or the path of such a file.
            top_k: how many predictions, 1 to 20.
            lane: ``bulk`` leaves people who wait at a page the way.
            explain: rank of the category of which a map is wanted, 1 to `top_k`.
            phash: a perceptual hash is wanted too; there is none beside a map.
            patience_s: how long a full queue, a worker that starts or a broken connection is
                waited out, in seconds; None: for ever.

        Raises:
            Unreadable: the file cannot be read.
            Refused: the server says no for good.
            PatienceOver: there is no answer within `patience_s`.
            BadAnswer: no Pictor answers there.
        """
        if self._session is None:
            raise RuntimeError(NOT_OPEN)
        data = picture if isinstance(picture, bytes) else await _read(Path(picture))
        query = {"top_k": str(top_k), "lane": lane}
        if explain is not None:
            query["explain"] = str(explain)
        if phash:
            query["phash"] = "1"
        request = Request(self._session, self._gate, self.url, query, data)
        return await request.answer(Patience(patience_s))

    async def classify_batch(
        self,
        pictures: Sequence[bytes],
        *,
        top_k: int = 5,
        lane: Lane = "bulk",
        phash: bool = False,
        patience_s: float | None = PATIENCE_S,
    ) -> list[Answer | ClientError]:
        """Classifies up to 32 pictures in one request, which costs less than one for each.

        A server that takes no such requests, or not now, is asked about each alone.

        Args:
            pictures: the bytes of files; together no more than the server takes of one.
            top_k: as for `classify`.
            lane: likewise.
            phash: likewise.
            patience_s: likewise, for each.

        Returns:
            The answer to each, in order, or why there is none.

        Raises:
            ValueError: there are more.
        """
        if self._batches is None:
            raise RuntimeError(NOT_OPEN)
        query = {"top_k": str(top_k), "lane": lane} | ({"phash": "1"} if phash else {})
        return await self._batches.outcomes(pictures, query, patience_s)

    async def classify_many(
        self,
        pictures: Iterable[Given] | AsyncIterable[Given],
        *,
        concurrency: int = CONCURRENCY,
        top_k: int = 5,
        lane: Lane = "bulk",
        patience_s: float | None = None,
    ) -> AsyncGenerator[Outcome[Given], None]:
        """Classifies any number of pictures; outcomes come as they end, in no order.

        No more than `concurrency` are held at a time: the next picture is taken from `pictures` when
        the caller has taken an outcome. One that fails ends as its own outcome, with its error.

        Args:
            pictures: bytes or paths, as for `classify`; they may be generated.
            concurrency: how many are under way at once.
            top_k: as for `classify`.
            lane: likewise.
            patience_s: for each picture; None: a server that is away is waited for.
        """

        async def one(picture: Given) -> Outcome[Given]:
            try:
                answer = await self.classify(
                    picture, top_k=top_k, lane=lane, patience_s=patience_s
                )
            except ClientError as error:
                return Outcome(picture, error=error)
            return Outcome(picture, answer)

        async with aclosing(outcomes(one, pictures, concurrency)) as source:
            async for outcome in source:
                yield outcome


async def _read(path: Path) -> bytes:
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error
