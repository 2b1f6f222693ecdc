"""Requests that are answered 202 at once: nobody waits here, and any gateway can tell the result."""

import asyncio
import hashlib
from collections.abc import Coroutine
from typing import Any

from common import keys, logs, wire
from common.connections import Keeper
from common.errors import BrokerAway, RequestError
from common.link import LinkLost, ReplyError
from gateway import entries
from gateway.flights import Job

log = logs.get(__name__)


class Deferrer:
    """Sends images to the workers of one model, to be asked about later."""

    def __init__(self, link: Keeper, model: str, result_ttl_s: float) -> None:
        self._link = link
        self._model = model
        self._lifetime_ms = int(result_ttl_s * 1000)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def accept(self, job: Job, ahead: int) -> str:
        """Adds a request and returns its id; from then on only its lifetime ends it.

        A client that leaves before it has been told the id takes its request along.

        Args:
            job: the image and what is wanted.
            ahead: entries in its lane now.

        Raises:
            BrokerAway, BrokerFull: it was not added, or that is unknown.
        """
        digest = hashlib.sha256(job.image).digest()
        request = wire.Request(
            wire.VERSION,
            wire.new_id(digest),
            digest,
            self._lifetime_ms,
            job.top_k,
            job.thumbnail_px,
            job.owner,
            job.explain,
            job.phash,
        )
        stream = job.stream(self._model)
        adding = self._start(
            entries.add(self._link, stream, request, job.image, job.lane, ahead)
        )
        try:
            await asyncio.shield(adding)
        except asyncio.CancelledError:
            self._start(self._take_back(adding, stream, request.id))
            raise
        except LinkLost as error:
            raise BrokerAway(retry_after_s=1) from error
        return request.id

    async def _take_back(
        self, adding: "asyncio.Task[bytes]", stream: str, request_id: str
    ) -> None:
        try:
            forget = ("DEL", keys.pending(request_id))
            await entries.withdraw(self._link, stream, await adding, forget)
        except (LinkLost, ReplyError, RequestError) as error:
            log.warning("not taken back", id=request_id, reason=str(error))

    def _start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the loop keeps only weak references
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self, within_s: float) -> None:
        """Waits for what is under way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
