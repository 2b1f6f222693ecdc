"""The consumer group: reads entries, keeps them ours while we work, takes over those of the dead.

One group, one consumer a process. What is read stays pending until `inference.publisher` ends it.
Entries of a worker that died are claimed one at a time and run alone, so that a crash blames nobody
but its cause (invariant 6).
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from common import keys, logs, wire
from common.connections import Keeper
from common.keys import GROUP, LANES, Lane
from common.link import Command, LinkLost, ReplyError
from inference.batcher import Plan, Queued

BEAT_S: Final = 1.0
RECLAIM_MS: Final = 3000  # three missed beats
BLOCK_MS: Final = (
    500  # how long a read waits, and so how long a stop may take to be noticed
)
# The first delivery may have been in company; each of the three after it was alone.
MOST_DELIVERIES: Final = 4

log = logs.get(__name__)


@dataclass(frozen=True)
class Entry:
    """A request read from a stream.

    Attributes:
        id: the entry's id, ``<ms of Redis' clock>-<n>``.
        arrived_ms: when it was added, by Redis' clock.
        alone: it was a dead worker's and is to be run in a batch of its own.
    """

    stream: str
    id: bytes
    request: wire.Request
    image: bytes
    alone: bool = False

    @property
    def arrived_ms(self) -> int:
        return int(self.id.partition(b"-")[0])

    def expired(self, now_ms: float) -> bool:
        """Whether its deadline has passed at `now_ms` of Redis' clock."""
        return now_ms >= self.arrived_ms + self.request.expires_ms


@dataclass(frozen=True)
class Claimed:
    """An entry taken over from a dead worker.

    Attributes:
        deliveries: how often it had been delivered before.
        ended: it has a result already and only wants acknowledging.
    """

    entry: Entry
    deliveries: int
    ended: bool

    @property
    def hopeless(self) -> bool:
        return self.deliveries >= MOST_DELIVERIES


class Consumer:
    """This worker's place in the group. All calls but `first` go over the common link."""

    def __init__(self, blocking: Keeper, link: Keeper, model: str, name: str) -> None:
        self.name = name
        self.streams: dict[Lane, str] = {
            lane: keys.requests(model, lane) for lane in LANES
        }
        self._blocking = blocking
        self._link = link
        self._held: dict[str, set[bytes]] = {
            stream: set() for stream in self.streams.values()
        }
        self.unreadable: list[tuple[str, bytes, str]] = []
        self.orphans = False  # a dead worker's entries wait to be claimed

    async def ensure_group(self) -> None:
        """Makes the group on each stream, from the first entry on; one that is there stays."""
        for stream in self.streams.values():
            try:
                await self._link.call(
                    "XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM"
                )
            except ReplyError as error:
                if error.kind != "BUSYGROUP":
                    raise

    async def first(self) -> list[Entry]:
        """Waits up to BLOCK_MS for work; at most one entry a lane."""
        link = await self._blocking.link()
        command = self._read_command(1, BLOCK_MS, list(self.streams.values()))
        try:
            async with asyncio.timeout(BLOCK_MS / 1000 + 3):
                reply = await link.call(*command)
        except TimeoutError:
            self._blocking.drop()
            raise LinkLost("Redis does not answer a blocking read") from None
        return self._take(reply)

    async def more(self, plan: Plan) -> list[Entry]:
        """Takes what is there, without waiting."""
        wanted = {"interactive": plan.interactive, "bulk": plan.bulk}
        commands = [
            self._read_command(count, None, [self.streams[lane]])
            for lane in LANES
            if (count := wanted[lane]) > 0
        ]
        if not commands:
            return []
        replies = await self._link.calls(commands)
        return [entry for reply in replies for entry in self._take(reply)]

    def _read_command(
        self, count: int, block_ms: int | None, streams: list[str]
    ) -> Command:
        block: Command = () if block_ms is None else ("BLOCK", block_ms)
        return (
            *(
                "XREADGROUP",
                "GROUP",
                GROUP,
                self.name,
                "COUNT",
                count,
                *block,
                "STREAMS",
            ),
            *streams,
            *(">" for _ in streams),
        )

    async def queued(self, workers: int) -> tuple[Queued, float]:
        """What waits undelivered, and Redis' time in milliseconds."""
        commands: list[Any] = [("TIME",)]
        for stream in self.streams.values():
            commands += [("XLEN", stream), ("XPENDING", stream, GROUP)]
        (seconds, micros), *counts = await self._link.calls(commands)
        waiting = [
            max(0, counts[i] - counts[i + 1][0]) for i in range(0, len(counts), 2)
        ]
        return (
            Queued(waiting[0], waiting[1], workers),
            int(seconds) * 1000 + int(micros) / 1000,
        )

    def _take(self, reply: Any) -> list[Entry]:
        entries = []
        for stream_name, items in reply or ():
            stream = stream_name.decode()
            for entry_id, fields in items:
                try:
                    entries.append(read_entry(stream, entry_id, fields))
                except wire.WireError as error:
                    self.unreadable.append((stream, entry_id, str(error)))
                else:
                    self._held[stream].add(entry_id)
        return entries

    async def bury(self) -> None:
        """Moves entries that are no requests of ours to the dead stream; nobody waits for them."""
        while self.unreadable:
            stream, entry_id, reason = self.unreadable[-1]
            log.error(
                "an entry that cannot be read", stream=stream, entry=entry_id.decode()
            )
            await self._link.calls(
                (
                    ("MULTI",),
                    ("XADD", keys.dead(), "MAXLEN", "~", 1000, "*", "reason", reason),
                    ("XACK", stream, GROUP, entry_id),
                    ("XDEL", stream, entry_id),
                    ("EXEC",),
                )
            )
            self.unreadable.pop()

    def release(self, entries: Iterable[Entry]) -> None:
        """These entries have ended, or are no longer ours."""
        for entry in entries:
            self._held[entry.stream].discard(entry.id)

    def holds(self, entry: Entry) -> bool:
        """Whether the entry was still ours at the last beat."""
        return entry.id in self._held[entry.stream]

    async def beat(self) -> None:
        """Tells the group that what we hold is being worked on, and finds out what is not ours.

        Ownership is read first, and XCLAIM asks for half a beat of idleness: so a worker that was
        stopped for long does not take back what another has claimed meanwhile.
        """
        for stream, held in self._held.items():
            mine = set(held)
            orphan, ours = await self._link.calls(
                (
                    ("XPENDING", stream, GROUP, "IDLE", RECLAIM_MS, "-", "+", 1),
                    ("XPENDING", stream, GROUP, "-", "+", len(mine) + 64, self.name),
                )
            )
            self.orphans = self.orphans or any(row[0] not in mine for row in orphan)
            kept = mine & {row[0] for row in ours}
            for lost in mine - kept:
                held.discard(lost)
            if kept:
                claim: Command = ("XCLAIM", stream, GROUP, self.name, int(BEAT_S * 500))
                await self._link.call(*claim, *sorted(kept), "JUSTID")

    async def claim(self) -> Claimed | None:
        """Takes over one entry of a dead worker; None when there is none left.

        Call it only with nothing else in hand: the delivery count then says how often the entry was
        alone with a worker that died.
        """
        for stream in self.streams.values():
            while rows := await self._link.call(
                "XPENDING", stream, GROUP, "IDLE", RECLAIM_MS, "-", "+", 1
            ):
                entry_id, _owner, _idle, deliveries = rows[0]
                taken = await self._link.call(
                    "XCLAIM", stream, GROUP, self.name, RECLAIM_MS, entry_id
                )
                if (
                    not taken or taken[0] is None
                ):  # another was faster, or it has ended meanwhile
                    continue
                try:
                    entry = read_entry(stream, entry_id, taken[0][1], alone=True)
                except wire.WireError as error:
                    self.unreadable.append((stream, entry_id, str(error)))
                    await self.bury()
                    continue
                self._held[stream].add(entry_id)
                ended = await self._link.call("EXISTS", keys.result(entry.request.id))
                return Claimed(entry, deliveries, bool(ended))
        self.orphans = False
        return None

    async def leave(self) -> None:
        """Takes this consumer out of the group, unless entries are still pending for it."""
        for stream in self.streams.values():
            ours = await self._link.call(
                "XPENDING", stream, GROUP, "-", "+", 1, self.name
            )
            if not ours:
                await self._link.call("XGROUP", "DELCONSUMER", stream, GROUP, self.name)


def read_entry(
    stream: str, entry_id: bytes, fields: list[bytes], *, alone: bool = False
) -> Entry:
    """An entry from a stream's reply.

    Raises:
        wire.WireError: it is not one of ours.
    """
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    try:
        request = wire.read_request(named[b"h"])
        return Entry(stream, entry_id, request, named[b"img"], alone)
    except KeyError as error:
        raise wire.WireError(f"entry without field {error}") from error
