"""From an image to its answer: waiter, SUBSCRIBE, XADD, in this order, always.

A flight is one stream entry and those who wait for it: equal images asked for at the same time, with
the same options, share one. XADD runs in a task of the gateway's own, which a client that leaves does
not cancel, and is never repeated; when the last rider has left, that task withdraws the entry.
"""

import asyncio
import hashlib
import time
from typing import Any, Final

from common import keys, logs, wire
from common.connections import Keeper
from common.errors import BrokerAway, DeadlinePassed, RequestError, from_code
from common.link import LinkLost, ReplyError
from gateway import entries, metrics
from gateway.flights import Answer, Flight, Job, StillRunning
from gateway.known import Known
from gateway.replies import Replies
from gateway.waiters import Left, Waiter

# Who comes this much later may still share an entry: it expires that much after its first deadline.
SHARING_S: Final = 1.0
UNKNOWN_FATE_S: Final = (
    2.0  # how long a result may still come after an XADD without an answer
)
LAST_LOOK_S: Final = 0.25  # that a deadline may be passed by to see how it stands

ANY_NUMBER: Final = 2**31  # of entries ahead; how many there were is not known

log = logs.get(__name__)


class Submitter:
    """Sends images to the workers of one model."""

    def __init__(
        self,
        link: Keeper,
        replies: Replies,
        model: str,
        *,
        share: bool,
        result_ttl_s: float,
        known: Known | None = None,
    ) -> None:
        self._link = link
        self._replies = replies
        self._model = model
        self._share = share
        self._known = known
        self._sharing_s = SHARING_S if share else 0.0
        self._result_ttl_s = result_ttl_s
        self._flights: dict[tuple[object, ...], Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, job: Job, *, keep: bool = False) -> Answer:
        """Has an image classified.

        Args:
            job: the image and what is wanted.
            keep: past the deadline the request goes on, to be fetched later.

        Raises:
            RequestError: how it ended instead.
            StillRunning: past the deadline, with `keep`.
        """
        digest = hashlib.sha256(job.image).digest()
        started = time.monotonic()
        if (known := self._find(job, digest)) is not None:
            return Answer(known, time.monotonic() - started)
        deadline = started + job.deadline_s
        flight = self._board(job, digest, deadline, keep)
        ended = await self._ride(flight, job, deadline, keep)
        if isinstance(ended, wire.Success):
            if self._known is not None and not job.explain:
                self._known.keep(digest, job.top_k, ended)
            return Answer(ended, time.monotonic() - started)
        if isinstance(ended, wire.Failure):
            raise from_code(ended.code)
        raise DeadlinePassed(retry_after_s=1)

    def _find(self, job: Job, digest: bytes) -> wire.Success | None:
        """The answer, where this process has given it; thumbnails and maps it has not."""
        if self._known is None or job.thumbnail_px or job.explain:
            return None
        found = self._known.find(digest, job.top_k, job.owner, phash=job.phash)
        if found is not None:
            metrics.KNOWN.inc()
        return found

    def _board(self, job: Job, digest: bytes, deadline: float, keep: bool) -> Flight:
        """The flight of an equal image that will do, or a new one."""
        wanted = (job.lane, job.top_k, job.thumbnail_px, job.explain, job.phash)
        key = (digest, *wanted, job.owner, keep)
        flight = self._flights.get(key) if self._share else None
        if flight is not None and not flight.left and deadline <= flight.expires_at:
            metrics.SHARED.inc()
            return flight
        lifetime_s = self._result_ttl_s if keep else job.deadline_s + self._sharing_s
        waiter = self._replies.open(keys.partition_of(digest))
        flight = Flight(waiter, key, time.monotonic() + lifetime_s)
        request = wire.Request(
            wire.VERSION,
            flight.id,
            digest,
            int(lifetime_s * 1000),
            job.top_k,
            job.thumbnail_px,
            job.owner,
            job.explain,
            job.phash,
        )
        self._flights[key] = flight
        task = asyncio.create_task(self._fly(flight, request, job))
        self._tasks.add(task)  # the loop keeps only weak references
        task.add_done_callback(self._tasks.discard)
        return flight

    async def _ride(
        self, flight: Flight, job: Job, deadline: float, keep: bool
    ) -> wire.Ended:
        flight.riders += 1
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return await asyncio.shield(flight.ended)
        except TimeoutError:
            if await self._has_ended(flight):
                return await asyncio.shield(flight.ended)
            if not keep:
                raise DeadlinePassed(retry_after_s=1) from None
            if not await self._added(flight):
                return await asyncio.shield(flight.ended)
            await self._keep(flight, job)
            raise StillRunning(flight.id) from None
        finally:
            flight.leave()

    async def _has_ended(self, flight: Flight) -> bool:
        """Whether there is a result whose wake-up was missed: the truth, once at a deadline."""
        try:
            async with asyncio.timeout(LAST_LOOK_S):
                await self._replies.read([flight.waiter])
        except (LinkLost, ReplyError, TimeoutError) as error:
            log.warning("no last look", id=flight.id, reason=str(error))
        return flight.waiter.ended.done()

    @staticmethod
    async def _added(flight: Flight) -> bool:
        """Whether its entry was added, once that is known; where it was not, the flight ends."""
        known: set[asyncio.Future[Any]] = {flight.added, flight.ended}
        await asyncio.wait(known, return_when=asyncio.FIRST_COMPLETED)
        return flight.added.done()

    async def _keep(self, flight: Flight, job: Job) -> None:
        """Writes down that the id lives, before anybody is told so."""
        ttl_ms = int((flight.expires_at - time.monotonic()) * 1000)
        known = wire.Pending(wire.VERSION, job.owner, job.lane, ANY_NUMBER)
        flight.marked = True
        try:
            await self._link.call(*entries.pending(flight.id, known, ttl_ms))
        except (LinkLost, ReplyError) as error:
            raise BrokerAway(retry_after_s=1) from error
        flight.kept = True

    async def _fly(self, flight: Flight, request: wire.Request, job: Job) -> None:
        """One entry from SUBSCRIBE to its end; nothing but this task touches it."""
        try:
            waiter = flight.waiter
            await self._replies.subscribed(waiter)
            if not flight.left:
                await self._add(waiter, request, job)
                if waiter.entry_id is not None:
                    flight.added.set_result(None)
                flight.end(await self._end_of(waiter, flight))
        except RequestError as error:
            flight.fail(error)
        except Exception:  # a bug must not leave riders waiting
            log.exception("a flight failed", id=flight.id)
            flight.fail(BrokerAway(retry_after_s=1))
            raise
        finally:
            self._replies.close(flight.waiter)
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]

    async def _add(self, waiter: Waiter, request: wire.Request, job: Job) -> None:
        waiter.stream = job.stream(self._model)
        try:
            waiter.entry_id = await entries.add(
                self._link, waiter.stream, request, job.image, job.lane
            )
        except LinkLost as error:
            # It may have been added: a result may still come.
            await asyncio.wait({waiter.ended}, timeout=UNKNOWN_FATE_S)
            if not waiter.ended.done():
                raise BrokerAway(retry_after_s=1) from error

    async def _end_of(self, waiter: Waiter, flight: Flight) -> wire.Ended:
        """Waits for the end, or for the last rider to leave, and withdraws the entry then."""
        try:
            async with asyncio.timeout(max(0.0, flight.expires_at - time.monotonic())):
                return await asyncio.shield(waiter.ended)
        except (TimeoutError, Left):
            pass  # how it stands is looked up below
        try:
            if flight.left:
                if not flight.kept and waiter.entry_id is not None:
                    mark = (("DEL", keys.pending(flight.id)),) if flight.marked else ()
                    await entries.withdraw(
                        self._link, waiter.stream, waiter.entry_id, *mark
                    )
            else:
                await self._replies.read([waiter])  # once at the deadline: the truth
                if waiter.ended.done():
                    return waiter.ended.result()
        except (LinkLost, ReplyError) as error:
            log.warning(
                "how a request stands is unknown", id=flight.id, reason=str(error)
            )
        raise DeadlinePassed(retry_after_s=1)

    async def finish(self, within_s: float) -> None:
        """Waits for what is under way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        for task in self._tasks:
            task.cancel()
