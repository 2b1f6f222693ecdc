"""Answers that this process has given: the same picture again costs neither Redis nor a worker.

Workers keep answers in Redis for all (`inference.publisher`); this is the nearest part of that, and obeys
the same setting. What it holds is bounded, the longest unused goes first.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from common import wire

MOST: Final = 4096  # answers, of about 1.5 KB
NO_TIME: Final = wire.Timing()


class Known:
    """Successes by the digest of their image, for `ttl_s` seconds."""

    def __init__(self, ttl_s: float, serves: Callable[[str], bool]) -> None:
        """`serves` says whether a live worker serves the model of a digest."""
        self._ttl_s = ttl_s
        self._serves = serves
        # Until when, how many predictions were asked for (a model may have fewer), and the answer.
        self._held: OrderedDict[bytes, tuple[float, int, wire.Success]] = OrderedDict()

    def find(
        self, digest: bytes, top_k: int, owner: str, *, phash: bool = False
    ) -> wire.Success | None:
        """An answer with this many predictions under a fresh id, marked as cached; or None.

        With `phash` one for which a perceptual hash was looked for.
        """
        held = self._held.get(digest)
        if held is None:
            return None
        until, asked, success = held
        if time.monotonic() >= until or not self._serves(success.model_digest):
            del self._held[digest]
            return None
        if asked < top_k or (phash and not success.hashed):
            return None
        self._held.move_to_end(digest)
        return msgspec.structs.replace(
            success,
            id=wire.new_id(digest),
            owner=owner,
            predictions=success.predictions[:top_k],
            timing=NO_TIME,
            cached=True,
        )

    def keep(self, digest: bytes, top_k: int, success: wire.Success) -> None:
        """Keeps what a worker found. What it knew itself may be older than it seems, and is not."""
        if success.cached or success.thumbnail or self._ttl_s <= 0:
            return
        held = self._held.get(digest)
        if held is None or (held[2].hashed, held[1]) <= (success.hashed, top_k):
            self._held[digest] = time.monotonic() + self._ttl_s, top_k, success
            self._held.move_to_end(digest)
            if len(self._held) > MOST:
                self._held.popitem(last=False)
