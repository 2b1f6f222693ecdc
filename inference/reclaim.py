"""Takes over what dead workers left behind, one entry at a time, each run alone.

So a crash blames nobody but its cause: an entry's delivery count says how often it was alone with a
worker that died, after the first delivery, which may have been in company.
"""

from dataclasses import dataclass
from typing import Final

from common.connections import Keeper
from common.keys import GROUP
from inference.consumer import RECLAIM_MS, Consumer
from inference.entries import Entry

DEATHS: Final = 3  # workers that died while it was the only entry they held


@dataclass(frozen=True)
class Claimed:
    """An entry taken over, and how often it had been delivered before."""

    entry: Entry
    deliveries: int

    @property
    def hopeless(self) -> bool:
        """Whether it is given up on: the first delivery does not count."""
        return self.deliveries >= 1 + DEATHS


async def claim(link: Keeper, consumer: Consumer) -> Claimed | None:
    """Takes over one entry; None when there is none left.

    Call it only with nothing else in hand.
    """
    me = consumer.name.encode()
    for stream in consumer.streams.values():
        while idle := await link.call(
            "XPENDING", stream, GROUP, "IDLE", RECLAIM_MS, "-", "+", 1
        ):
            entry_id, owner, _idle_ms, deliveries = idle[0]
            # What is ours and not in hand was lost with a connection: nobody died of it.
            before = deliveries - 1 if owner == me else deliveries
            command = ("XCLAIM", stream, GROUP, consumer.name, RECLAIM_MS, entry_id)
            taken = await link.call(*command, "RETRYCOUNT", before + 1)
            if not taken or taken[0] is None:
                continue  # another was faster, or it has ended meanwhile
            entry = consumer.hold(stream, entry_id, taken[0][1])
            if entry is not None:
                return Claimed(entry, before)
            await consumer.bury()
    consumer.orphans = False
    return None
