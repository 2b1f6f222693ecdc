"""The client for programs without asyncio: the same, on an event loop in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from types import TracebackType
from typing import Any, Self, TypeVar

from client.answers import Answer, Outcome
from client.asynchronous import (
    CONCURRENCY,
    PATIENCE_S,
    Client,
    Given,
    Lane,
    PathOrBytes,
)
from client.errors import ClientError

Result = TypeVar("Result")


class SyncClient:
    """A client of one Pictor; use it as a context manager. Threads may share it."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str = "",
        connections: int = 64,
    ) -> None:
        """As for `Client`."""
        self._client = Client(url, key=key, connections=connections)
        self._sources: set[AsyncGenerator[Any, None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Self:
        self._loop = loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=loop.run_forever, name="pictor-client", daemon=True
        )
        self._thread.start()
        self._run(self._client.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._ended())
        if (loop := self._loop) is not None:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()
        self._loop = None

    async def _ended(self) -> None:
        """What is still under way ends; then the connections."""
        for source in tuple(self._sources):
            await _close(source)
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._client.__aexit__(None, None, None)

    def classify(
        self,
        picture: PathOrBytes,
        *,
        top_k: int = 5,
        lane: Lane = "interactive",
        explain: int | None = None,
        phash: bool = False,
        patience_s: float | None = PATIENCE_S,
    ) -> Answer:
        """Classifies one picture; as `Client.classify`."""
        return self._run(
            self._client.classify(
                picture,
                top_k=top_k,
                lane=lane,
                explain=explain,
                phash=phash,
                patience_s=patience_s,
            )
        )

    def classify_batch(
        self,
        pictures: Sequence[bytes],
        *,
        top_k: int = 5,
        lane: Lane = "bulk",
        phash: bool = False,
        patience_s: float | None = PATIENCE_S,
    ) -> list[Answer | ClientError]:
        """Classifies up to 32 pictures in one request; as `Client.classify_batch`."""
        return self._run(
            self._client.classify_batch(
                pictures, top_k=top_k, lane=lane, phash=phash, patience_s=patience_s
            )
        )

    def classify_many(
        self,
        pictures: Iterable[Given],
        *,
        concurrency: int = CONCURRENCY,
        top_k: int = 5,
        lane: Lane = "bulk",
        patience_s: float | None = None,
    ) -> Iterator[Outcome[Given]]:
        """Classifies any number of pictures; as `Client.classify_many`.

        `pictures` is iterated in the client's thread. What is under way goes on between two outcomes.
        """
        source = self._client.classify_many(
            pictures,
            concurrency=concurrency,
            top_k=top_k,
            lane=lane,
            patience_s=patience_s,
        )
        self._sources.add(source)
        try:
            while True:
                try:
                    yield self._run(_next(source))
                except StopAsyncIteration:
                    return
        finally:
            self._sources.discard(source)
            if self._loop is not None:  # otherwise it has ended with the client
                self._run(_close(source))

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        if self._loop is None:
            work.close()
            raise RuntimeError("use the client as a context manager: with SyncClient()")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C as well: what was begun is not left running
            future.cancel()
            raise


async def _next(source: AsyncIterator[Result]) -> Result:
    return await anext(source)


async def _close(source: AsyncGenerator[Any, None]) -> None:
    with contextlib.suppress(RuntimeError):  # it ends already: its wait was cancelled
        await source.aclose()
