"""How many requests a caller may send a minute, counted in Redis, so that all gateways share it.

A sliding-window counter: the minute that ended counts by how much of it the last 60 s still cover.
Two small counters a caller, off by at most what a caller sends unevenly within one minute (Cloudflare,
"How we built rate limiting capable of scaling to millions of domains", 2017).
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from common import keys, logs
from common.connections import Keeper
from common.errors import BrokerAway, QuotaExceeded
from common.link import LinkLost, ReplyError

WINDOW_S: Final = 60
KEPT_S: Final = 2 * WINDOW_S + 10  # until the next window ends, and clocks that differ
MARGIN_S: Final = 0.001  # past the moment at which the sum is exactly the quota

log = logs.get(__name__)


@dataclass(frozen=True)
class Charge:
    """Requests that were counted.

    Attributes:
        key: where.
        quota: that they are within, a minute.
        count: how many.
    """

    key: str
    quota: int
    count: int = 1


class Quota:
    """Counts requests.

    The clock is the gateway's: Redis' would cost a round trip before the window is known. Gateways
    whose clocks differ by a second disagree for that second on which window a request belongs to; each
    window holds no more than the quota all the same.
    """

    def __init__(self, link: Keeper, clock: Callable[[], float] = time.time) -> None:
        self._link = link
        self._clock = clock

    async def take(self, who: str, quota: int, count: int = 1) -> Charge:
        """Counts requests of a caller, if all are within the quota a minute.

        It is counted first and taken back where it was one too many, since two gateways that look
        first and count later both see the last free place.

        Raises:
            QuotaExceeded: it is not within; says when it would be.
            BrokerAway: Redis does not answer.
        """
        window, elapsed_s = divmod(self._clock(), WINDOW_S)
        # Neither a key's name nor an address stands in Redis, nor can either be longer than this.
        hashed = hashlib.sha256(who.encode()).hexdigest()[:32]
        charge = Charge(keys.quota(hashed, int(window)), quota, count)
        try:
            replies = await self._link.calls(
                (
                    ("MULTI",),
                    _more(charge),
                    ("EXPIRE", charge.key, KEPT_S),
                    ("GET", keys.quota(hashed, int(window) - 1)),
                    ("EXEC",),
                )
            )
            counted, _, before = replies[-1]
            wait_s = until_free(int(before or 0), counted - 1, quota, elapsed_s)
            if wait_s > 0:
                await self._link.calls(_back(charge))
                raise QuotaExceeded(retry_after_s=wait_s)
        except (LinkLost, ReplyError) as error:
            raise BrokerAway(retry_after_s=2) from error
        return charge

    async def give_back(self, charge: Charge) -> None:
        """Uncounts requests that were refused for another reason."""
        try:
            await self._link.calls(_back(charge))
        except (LinkLost, ReplyError) as error:  # it counts a minute longer, at worst
            log.warning("a quota was not given back", reason=str(error))


# By one without BY: it is all that a Redis may allow whose rules are older than batches.
def _more(charge: Charge) -> tuple[str | int, ...]:
    key, count = charge.key, charge.count
    return ("INCR", key) if count == 1 else ("INCRBY", key, count)


def _less(charge: Charge) -> tuple[str | int, ...]:
    key, count = charge.key, charge.count
    return ("DECR", key) if count == 1 else ("DECRBY", key, count)


def _back(charge: Charge) -> tuple[tuple[str | int, ...], ...]:
    """As well with a time to live: the counter may have expired in between."""
    return (
        ("MULTI",),
        _less(charge),
        ("EXPIRE", charge.key, KEPT_S),
        ("EXEC",),
    )


def until_free(before: int, now: int, quota: int, elapsed_s: float) -> float:
    """Seconds until one more request is within the quota; 0 where it is now.

    Args:
        before: requests in the window that ended.
        now: requests in this one so far.
        quota: requests that may be sent in WINDOW_S, at least 1.
        elapsed_s: how old this window is.
    """
    if before * (1 - elapsed_s / WINDOW_S) + now < quota:
        return 0.0
    if now < quota:  # once enough of the last window has slid out of sight
        return WINDOW_S * (1 - (quota - now) / before) - elapsed_s + MARGIN_S
    # This window is full. The next one lets somebody in at once, since less than a full one counts.
    return WINDOW_S - elapsed_s + MARGIN_S
