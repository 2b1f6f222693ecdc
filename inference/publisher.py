"""Ends requests: result key, PUBLISH, XACK, XDEL and cache in one MULTI an entry, a write a batch.

The result key is the truth and is set only once (NX); the publish is a wake-up. Until Redis has
confirmed it, a result is kept and tried again: for want of memory there, or of a connection.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from common import keys, logs, wire
from common.connections import Keeper
from common.keys import GROUP
from common.link import Command, LinkLost, ReplyError
from inference.consumer import Consumer, dead_letter
from inference.entries import Entry

FIRST_WAIT_S: Final = 0.05
LONGEST_WAIT_S: Final = 1.0

log = logs.get(__name__)


@dataclass(frozen=True)
class Ending:
    """How one entry ends.

    Attributes:
        cache: what is kept by content; None where there is nothing to keep.
        map: likewise, with the place of its category among the labels.
    """

    entry: Entry
    ended: wire.Ended
    cache: wire.Known | None = None
    map: tuple[int, wire.Map] | None = None


class Publisher:
    """Writes endings until Redis has them."""

    def __init__(
        self,
        link: Keeper,
        consumer: Consumer,
        model_digest: str,
        *,
        result_ttl_s: float,
        cache_ttl_s: float,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._link = link
        self._consumer = consumer
        self._model_digest = model_digest
        self._has_room = has_room  # whether Redis has memory for more than results
        self._result_ms = int(result_ttl_s * 1000)
        self._cache_ms = int(cache_ttl_s * 1000)

    async def publish(self, endings: Sequence[Ending]) -> None:
        """Returns once every ending is in Redis, or its entry is no longer ours."""
        wait_s = FIRST_WAIT_S
        left = list(endings)
        while left := [ending for ending in left if self._consumer.holds(ending.entry)]:
            try:
                left = await self._write(left)
            except LinkLost as error:
                log.warning(
                    "results wait for Redis", results=len(left), reason=str(error)
                )
            if left:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _write(self, endings: Sequence[Ending]) -> list[Ending]:
        """Writes all at once; returns those that Redis refused for want of memory."""
        transactions = [self._transaction(ending) for ending in endings]
        replies = await self._link.replies(
            command for commands in transactions for command in commands
        )
        refused, done, at = [], [], 0
        for ending, commands in zip(endings, transactions, strict=True):
            at += len(commands)
            if isinstance(replies[at - 1], ReplyError):
                reasons = [
                    r
                    for r in replies[at - len(commands) : at]
                    if isinstance(r, ReplyError)
                ]
                log.warning("Redis refused a result", reason=str(reasons[0]))
                refused.append(ending)
            else:
                done.append(ending.entry)
        self._consumer.release(done)
        return refused

    def _transaction(self, ending: Ending) -> list[Command]:
        entry, name = ending.entry, keys.result(ending.ended.id)
        payload = wire.encode(ending.ended)
        commands: list[Command] = [
            ("MULTI",),
            ("SET", name, payload, "NX", "PX", self._result_ms),
            ("PUBLISH", name, payload),
            *_done(entry),
        ]
        if self._cache_ms and (kept := self._kept(ending)) and self._has_room():
            commands += kept
        if (
            isinstance(ending.ended, wire.Failure)
            and ending.ended.code == "dead-letter"
        ):
            commands.append(_note(entry, ending.ended.code))
        return [*commands, ("EXEC",)]

    def _kept(self, ending: Ending) -> list[Command]:
        """What is kept by content."""
        digest = ending.entry.request.digest
        commands: list[Command] = []
        if ending.cache is not None:
            key = keys.cache(self._model_digest, digest)
            commands.append(self._keep(key, ending.cache))
        if ending.map is not None:
            place, look = ending.map
            key = keys.map_of(self._model_digest, digest, place)
            commands.append(self._keep(key, look))
        return commands

    def _keep(self, key: str, value: wire.Known | wire.Map) -> Command:
        return ("SET", key, wire.encode(value), "PX", self._cache_ms)

    async def acknowledge(self, entry: Entry) -> None:
        """Takes an entry that has ended already off the stream."""
        await self._link.calls((("MULTI",), *_done(entry), ("EXEC",)))
        self._consumer.release([entry])


def _done(entry: Entry) -> tuple[Command, Command]:
    """XACK alone would leave the entry on the stream for ever."""
    return (("XACK", entry.stream, GROUP, entry.id), ("XDEL", entry.stream, entry.id))


def _note(entry: Entry, reason: str) -> Command:
    request = entry.request
    return dead_letter(
        "reason", reason, "id", request.id, "digest", request.digest.hex()
    )
