"""Says once a second that this worker lives, what it serves and how fast it is.

Gateways read it (`gateway.admission`); workers count each other with it, to share the backlog.
"""

from collections.abc import Sequence
from typing import Final

from common import keys, wire
from common.connections import Keeper, memory_share
from inference.batcher import Batcher
from inference.counts import Counts
from inference.models.labels import Label
from inference.pace import Pace

CACHE_SHARE: Final = (
    0.5  # of Redis' memory; beyond it answers are no longer kept by content
)
FORGOTTEN_S: Final = 60.0  # and after this long its name is removed


class Presence:
    """This worker's place among the workers."""

    def __init__(
        self,
        link: Keeper,
        batcher: Batcher,
        pace: Pace,
        counts: Counts,
        *,
        name: str,
        model: str,
        model_digest: str,
        engine: str,
        labels: Sequence[Label],
    ) -> None:
        self._link = link
        self._batcher = batcher
        self._pace = pace
        self._counts = counts
        self._name = name
        self._model = model
        self._digest = model_digest
        self._engine = engine
        self._labels = wire.encode(
            tuple(wire.Label(one.wnid, one.label, one.description) for one in labels)
        )
        self.workers = 1  # how many share our backlog, this one included
        self.has_room = True  # for more in Redis than results

    async def beat(self) -> None:
        """One sign of life; call it every BEAT_S."""
        seconds, micros = await self._link.call("TIME")
        now = int(seconds) + int(micros) / 1e6
        labels = keys.labels(self._digest)
        alive, labelled, info = (
            await self._link.calls(
                (
                    ("ZADD", keys.workers(), f"{now:.3f}", self._name),
                    (
                        "ZREMRANGEBYSCORE",
                        keys.workers(),
                        "-inf",
                        f"{now - FORGOTTEN_S:.3f}",
                    ),
                    (
                        "SET",
                        keys.worker(self._name),
                        self._details(),
                        "PX",
                        int(wire.ALIVE_S * 1000),
                    ),
                    (
                        "ZRANGEBYSCORE",
                        keys.workers(),
                        f"{now - wire.ALIVE_S:.3f}",
                        "+inf",
                    ),
                    ("EXISTS", labels),
                    ("INFO", "memory"),
                )
            )
        )[3:]
        self.has_room = memory_share(info) < CACHE_SHARE
        details = await self._link.call(
            "MGET", *(keys.worker(name.decode()) for name in alive)
        )
        self.workers = max(1, sum(self._is_mate(data) for data in details))
        if not labelled:  # the first of this model, or the data were flushed
            await self._link.call("SET", labels, self._labels)

    def _is_mate(self, details: bytes | None) -> bool:
        """Whether these are the details of a worker that shares our backlog."""
        try:
            return (
                details is not None and wire.read_worker(details).model == self._model
            )
        except wire.WireError:  # of another version; it may well share
            return True

    def _details(self) -> bytes:
        cost, counts = self._batcher.cost, self._counts
        return wire.encode(
            wire.Worker(
                wire.VERSION,
                self._name,
                self._model,
                self._digest,
                self._engine,
                cost.fixed_ms,
                cost.image_ms,
                self._pace.images_per_s(cost.rate(self._batcher.preferred())),
                counts.state(),
                counts.images,
                counts.batches,
                counts.queue_ms,
                counts.decode_ms,
                counts.inference_ms,
                counts.cached,
                cost.points,
            )
        )

    async def leave(self) -> None:
        """This worker takes no more work."""
        await self._link.calls(
            (("ZREM", keys.workers(), self._name), ("DEL", keys.worker(self._name)))
        )
