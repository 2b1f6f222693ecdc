"""The channels that this process listens on: several are asked for at a time, some before anybody waits.

A request may be added only once its channel is subscribed (`gateway.submit`). So that it need not wait
for that, ids are made ahead: SPARE channels are subscribed at any time to which no request belongs yet.
That costs Redis and this process one command for half of them, instead of one and a turn for each.
"""

import asyncio
import time
from collections import deque
from typing import Final

from common import keys, wire
from gateway.subscription import Subscription
from gateway.waiters import Waiter

SPARE: Final = 32  # a partition
UNSUBSCRIBE_AT: Final = 16  # channels a command


class Channels:
    """Those who wait, by their channels, and the channels that somebody may come to wait on.

    Attributes:
        waiters: those who wait, subscribed or about to be.
    """

    def __init__(self) -> None:
        self.waiters: dict[bytes, Waiter] = {}
        self._link: Subscription | None = None
        self._spare: list[deque[Waiter]] = [deque() for _ in range(keys.PARTITIONS)]
        self._asked: dict[bytes, tuple[int, Waiter]] = {}  # will be spare ones
        self._to_subscribe: list[bytes] = []
        self._to_unsubscribe: list[bytes] = []

    def connected(self, link: Subscription) -> None:
        """A new connection has none of the old one's channels: those who wait are subscribed again."""
        self._link = link
        for spare in self._spare:
            spare.clear()
        self._asked.clear()
        self._to_subscribe.clear()
        self._to_unsubscribe.clear()

    def take(self, partition: int) -> Waiter:
        """A waiter of a fresh id; if possible one whose channel is subscribed already."""
        spare = self._spare[partition]
        if spare and self._listening:
            waiter = spare.popleft()
            waiter.since = time.monotonic()
        else:
            waiter = Waiter(wire.new_id_in(partition))
            self._subscribe(waiter)
        self.waiters[waiter.channel] = waiter
        if len(spare) <= SPARE // 2:
            self.stock()
        return waiter

    def stock(self) -> None:
        """Asks for as many spare channels as are missing."""
        if self._asked or not self._listening:
            return
        for partition, spare in enumerate(self._spare):
            for _ in range(SPARE - len(spare)):
                waiter = Waiter(wire.new_id_in(partition))
                self._asked[waiter.channel] = partition, waiter
                self._subscribe(waiter)

    @property
    def _listening(self) -> bool:
        """Whether what was subscribed still is."""
        return self._link is not None and not self._link.lost.done()

    def close(self, waiter: Waiter) -> bool:
        """Nobody waits any more. Channels are given up several at a time; whether it was known."""
        if self.waiters.pop(waiter.channel, None) is None:
            return False
        self._to_unsubscribe.append(waiter.channel)
        if len(self._to_unsubscribe) >= UNSUBSCRIBE_AT:
            self.unsubscribe()
        return True

    def unsubscribe(self) -> None:
        """Gives up the channels on which nobody waits any more."""
        if self._to_unsubscribe and self._link is not None:
            self._link.write("UNSUBSCRIBE", *self._to_unsubscribe)
            self._to_unsubscribe.clear()

    def confirmed(self, channel: bytes) -> None:
        """Redis says that a channel is subscribed."""
        if (asked := self._asked.pop(channel, None)) is not None:
            partition, spare = asked
            spare.confirm()
            self._spare[partition].append(spare)
        elif (waiter := self.waiters.get(channel)) is not None:
            waiter.confirm()

    def _subscribe(self, waiter: Waiter) -> None:
        """Subscribes with the next write; all of one turn of the event loop share a command."""
        if not self._to_subscribe:
            asyncio.get_running_loop().call_soon(self._flush)
        self._to_subscribe.append(waiter.channel)

    def _flush(self) -> None:
        channels, self._to_subscribe = self._to_subscribe, []
        # Without a link, connecting subscribes those who wait.
        if channels and self._link is not None:
            self._link.write("SUBSCRIBE", *channels)
