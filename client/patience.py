"""When to try again, and how long for: pure, and one gate that all requests of a client pass.

A server that is full says when to come back; then nobody sends until that time, not only who was told.
A connection that fails is tried again after a time that doubles, with a random part, so that many
clients do not come back at once (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
"""

import asyncio
import math
import random
import time
from dataclasses import dataclass, field
from typing import Final

from client.errors import PatienceOver

FIRST_S: Final = 0.2
LONGEST_S: Final = 5.0
LONGEST_ASKED_S: Final = 60.0  # of a Retry-After
LEAST_ASKED_S: Final = 0.05  # of one that says: at once


def backoff_s(failures: int) -> float:
    """Seconds to wait after so many failures in a row, at least one: up to half of them by chance."""
    whole = min(LONGEST_S, FIRST_S * 2.0 ** min(failures - 1, 30))
    return whole * random.uniform(0.5, 1)  # noqa: S311 - spreads load, keeps no secret


def asked_s(retry_after: str | None, otherwise: float) -> float:
    """Seconds that a Retry-After asks for (RFC 9110, 10.2.3, in seconds), or `otherwise`."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return otherwise
    return (
        otherwise
        if math.isnan(seconds)
        else min(max(seconds, LEAST_ASKED_S), LONGEST_ASKED_S)
    )


@dataclass
class Gate:
    """Closed until a time; one a client.

    Attributes:
        trouble: why the server has not answered the last request; empty where it has.
    """

    trouble: str = ""
    _until: float = -math.inf

    def close_for(self, seconds: float) -> None:
        """Lets nobody through for so long from now."""
        self._until = max(self._until, time.monotonic() + seconds)

    async def passed(self) -> None:
        """Returns when it is open."""
        # The time may have moved on meanwhile; and not all pass at the same moment.
        while (left := self._until - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left + random.uniform(0, 0.1))  # noqa: S311


@dataclass
class Patience:
    """How long one picture may take in all; told of each failure.

    Attributes:
        seconds: in all; None: for ever.
    """

    seconds: float | None
    _failures: int = 0
    _since: float = field(default_factory=time.monotonic)

    def left_s(self) -> float:
        """Seconds left; infinite where there is no bound."""
        if self.seconds is None:
            return math.inf
        return self.seconds - (time.monotonic() - self._since)

    def after(self, why: str, retry_after: str | None = None) -> float:
        """One more failure: how many seconds to wait.

        Raises:
            PatienceOver: it would not be over by then.
        """
        self._failures += 1
        wait_s = asked_s(retry_after, backoff_s(self._failures))
        if wait_s >= self.left_s():
            raise PatienceOver(f"no answer within {self.seconds:g} s; the last: {why}")
        return wait_s

    def succeeded(self) -> None:
        """The server has taken something: failures are counted from the beginning."""
        self._failures = 0
