"""The consumer group: reads entries, and keeps those ours that we work on.

One group, one consumer a process. What is read stays pending until `inference.publisher` ends it.
What dead workers left behind is taken over by `inference.reclaim`.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from common import keys, logs, wire
from common.connections import Keeper
from common.keys import GROUP, LANES
from common.link import Command, LinkLost, ReplyError
from inference.batcher import Plan, Queued
from inference.entries import Entry, read_entry

BEAT_S: Final = 1.0
RECLAIM_MS: Final = 3000  # three missed beats, whoever owns the entry
BLOCK_MS: Final = 500  # how long a read waits, and a stop may take to be noticed
SPARE_BLOCK_S: Final = 3.0  # a blocking read that takes this much longer is lost
FORGOTTEN_MS: Final = 3_600_000  # a consumer idle for this long has died
DEAD_LETTERS: Final = 1000  # kept in the dead stream, the newest

log = logs.get(__name__)


class Consumer:
    """This worker's place in the group.

    Attributes:
        name: of the consumer.
        streams: those that are read, by name: of each lane, unless others are given.
        orphans: entries of dead workers wait to be taken over.
    """

    def __init__(
        self,
        blocking: Keeper,
        link: Keeper,
        model: str,
        name: str,
        streams: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.streams: Mapping[str, str] = streams or {
            lane: keys.requests(model, lane) for lane in LANES
        }
        self.orphans = False
        self._blocking = blocking
        self._link = link
        self._held: dict[str, set[bytes]] = {
            stream: set() for stream in self.streams.values()
        }
        self._unreadable: list[tuple[str, bytes, str]] = []

    async def ensure_group(self) -> None:
        """Makes the group on each stream, from the first entry on; one there stays."""
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
            async with asyncio.timeout(BLOCK_MS / 1000 + SPARE_BLOCK_S):
                reply = await link.call(*command)
        except TimeoutError:
            self._blocking.drop()
            raise LinkLost("Redis does not answer a blocking read") from None
        return self._taken(reply)

    async def take(
        self, plan: Plan, into: list[Entry], workers: int = 1
    ) -> tuple[Queued, float]:
        """Takes what is there in the lanes without waiting, and looks what is left, in one write.

        Args:
            plan: how many, from each lane.
            into: where they go; also when this raises, since they are ours by then.
            workers: how many share the backlog.

        Returns:
            What waits undelivered, and Redis' time in milliseconds.

        Raises:
            LinkLost, ReplyError: as `Keeper.calls`.
        """
        wanted = {"interactive": plan.interactive, "bulk": plan.bulk}
        commands: list[Command] = [
            self._read_command(count, None, [self.streams[lane]])
            for lane in LANES
            if (count := wanted[lane]) > 0
        ]
        reads = len(commands)
        commands.append(("TIME",))
        for stream in self.streams.values():
            commands += [("XLEN", stream), ("XPENDING", stream, GROUP)]
        replies = await self._link.replies(commands)
        for reply in replies[:reads]:
            if not isinstance(reply, ReplyError):
                into += self._taken(reply)
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise reply
        (seconds, micros), *counts = replies[reads:]
        # Undelivered is XLEN less what is pending: `lag` is unreliable after XDEL.
        interactive, bulk = (
            max(0, length - pending[0])
            for length, pending in zip(counts[::2], counts[1::2], strict=True)
        )
        now_ms = int(seconds) * 1000 + int(micros) / 1000
        return Queued(interactive, bulk, workers), now_ms

    def _read_command(
        self, count: int, block_ms: int | None, streams: list[str]
    ) -> Command:
        block: Command = () if block_ms is None else ("BLOCK", block_ms)
        return (
            *("XREADGROUP", "GROUP", GROUP, self.name, "COUNT", count, *block),
            *("STREAMS", *streams, *(">" for _ in streams)),
        )

    def _taken(self, reply: Any) -> list[Entry]:
        """The entries of a read; those that are no requests of ours are for `bury`."""
        entries = []
        for stream_name, items in reply or ():
            stream = stream_name.decode()
            for entry_id, fields in items:
                entry = self.hold(stream, entry_id, fields)
                if entry is not None:
                    entries.append(entry)
        return entries

    def hold(self, stream: str, entry_id: bytes, fields: list[bytes]) -> Entry | None:
        """From here on the entry is ours; None where it cannot be read (see `bury`)."""
        try:
            entry = read_entry(stream, entry_id, fields)
        except wire.WireError as error:
            self._unreadable.append((stream, entry_id, str(error)))
            return None
        self._held[stream].add(entry_id)
        return entry

    async def bury(self) -> None:
        """Moves what could not be read to the dead stream; nobody waits for it."""
        while self._unreadable:
            buried = stream, entry_id, reason = self._unreadable.pop()
            log.error("an entry that cannot be read", stream=stream, reason=reason)
            try:
                await self._link.calls(
                    (
                        ("MULTI",),
                        dead_letter("reason", reason, "entry", entry_id),
                        ("XACK", stream, GROUP, entry_id),
                        ("XDEL", stream, entry_id),
                        ("EXEC",),
                    )
                )
            except BaseException:  # not yet; another may have been found meanwhile
                self._unreadable.append(buried)
                raise

    def release(self, entries: Iterable[Entry]) -> None:
        """These entries have ended."""
        for entry in entries:
            self._held[entry.stream].discard(entry.id)

    def holds(self, entry: Entry) -> bool:
        """Whether the entry was still ours at the last beat."""
        return entry.id in self._held[entry.stream]

    async def beat(self) -> None:
        """Tells the group what we work on, and finds out what is not ours any more; buries.

        Ownership is read first, and XCLAIM asks for half a beat of idleness: a worker that
        was stopped for long does not take back what another has claimed meanwhile. Last comes
        what may be refused for want of memory.
        """
        for stream, held in self._held.items():
            mine = set(held)
            # One by one: of what was lost with connections there may be any number before them.
            idle, *found = await self._link.calls(
                (
                    ("XPENDING", stream, GROUP, "IDLE", RECLAIM_MS, "-", "+", 1),
                    *(
                        ("XPENDING", stream, GROUP, one, one, 1, self.name)
                        for one in mine
                    ),
                )
            )
            owned = {row[0] for rows in found for row in rows}
            self.orphans = self.orphans or any(row[0] not in mine for row in idle)
            held.difference_update(mine - owned)
            if owned:
                claim: Command = ("XCLAIM", stream, GROUP, self.name, int(BEAT_S * 500))
                await self._link.call(*claim, *sorted(owned), "JUSTID")
        await self.bury()

    async def tidy(self) -> None:
        """Takes consumers of dead workers out of the group, where nothing is pending for them.

        To take one out destroys what is pending for it. So it is done only to those that have been
        idle for an hour and are no live workers: nobody reads between the look and the deed.
        """
        alive = set(await self._link.call("ZRANGE", keys.workers(), 0, -1))
        for stream in self.streams.values():
            rows = await self._link.call("XINFO", "CONSUMERS", stream, GROUP)
            for row in rows:
                known = dict(zip(row[::2], row[1::2], strict=True))
                name, idle_ms = known[b"name"], known[b"idle"]
                if (
                    name not in alive
                    and idle_ms >= FORGOTTEN_MS
                    and not known[b"pending"]
                ):
                    await self._link.call("XGROUP", "DELCONSUMER", stream, GROUP, name)

    async def leave(self) -> None:
        """Takes this consumer out of the group, unless entries are pending for it."""
        for stream in self.streams.values():
            ours = await self._link.call(
                "XPENDING", stream, GROUP, "-", "+", 1, self.name
            )
            if not ours:
                await self._link.call("XGROUP", "DELCONSUMER", stream, GROUP, self.name)


def dead_letter(*fields: str | bytes) -> Command:
    """The command that notes in the dead stream what was given up on."""
    return ("XADD", keys.dead(), "MAXLEN", "~", DEAD_LETTERS, "*", *fields)
