"""The explainer: says what the network looked at, one entry after the other, behind all other work.

A request with a map goes onto a stream of its own (`common.keys.explanations`), and from there the same
way as any other: consumer group, decoder, publisher; so what holds for those holds for it. Only how an
entry ends is another matter (`inference.explanations`). `inference.explaining` starts this process when
somebody asks, and ends it when nobody has for a while.
"""

import asyncio
import contextlib
import itertools
import os
import secrets
import socket
from pathlib import Path
from typing import Final

from common import connections, keys, logs, process, wire
from common.connections import Keeper
from common.link import LinkLost, ReplyError
from common.process import Reporter
from common.settings import Settings
from inference import metrics
from inference.activation_maps import ActivationMaps
from inference.consumer import BEAT_S, Consumer
from inference.decoder import Decoder
from inference.explanations import Explanations
from inference.models import catalogue
from inference.models.spec import ModelSpec, float16_digest
from inference.native import stderr_into
from inference.publisher import Publisher
from inference.reclaim import Claimed, claim
from inference.results import Results
from inference.survival import survive

NICENESS: Final = 10  # beside people's work a tenth of a core, where all are busy
THREADS: Final = 1
TIDY_BEATS: Final = 60
REDIS_PATIENCE_S: Final = 10.0

log = logs.get(__name__)


class Explainer:
    """Ends the entries of one stream until it is told to stop."""

    def __init__(
        self,
        link: Keeper,
        consumer: Consumer,
        explanations: Explanations,
        results: Results,
        publisher: Publisher,
        reporter: Reporter,
    ) -> None:
        self._link, self._consumer = link, consumer
        self._explanations, self._results = explanations, results
        self._publisher, self._reporter = publisher, reporter
        self._hand: Claimed | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, finishes what it has and leaves the group."""
        beating = asyncio.create_task(self._beat())
        try:
            while not stop.is_set() or self._hand is not None:
                if beating.done():
                    beating.result()
                await survive(self._next(), self._consumer)
        finally:
            beating.cancel()
            self._explanations.close()
        # Without Redis, or what it held, there is nothing to leave.
        with contextlib.suppress(LinkLost, ReplyError):
            await self._consumer.leave()

    async def _beat(self) -> None:
        consumer = self._consumer
        for beat in itertools.count():
            await survive(consumer.beat(), consumer)
            if beat % TIDY_BEATS == 0:
                await survive(consumer.tidy(), consumer)
            await asyncio.sleep(BEAT_S)

    async def _next(self) -> None:
        """Ends one entry; one that Redis keeps from its end is taken up again at the next turn."""
        if self._hand is None:
            self._hand = await self._read()
        if self._hand is not None:
            await self._end(self._hand)
            self._hand = None
            self._reporter.worked()

    async def _read(self) -> Claimed | None:
        if self._consumer.orphans:
            return await claim(self._link, self._consumer)
        return next((Claimed(one, 0) for one in await self._consumer.first()), None)

    async def _end(self, hand: Claimed) -> None:
        entry = hand.entry
        result = keys.result(entry.request.id)
        if hand.deliveries and await self._link.call("EXISTS", result):
            await self._publisher.acknowledge(entry)
            return
        if hand.hopeless:
            log.error("given up on", id=entry.request.id, deliveries=hand.deliveries)
            ending = self._results.failure(entry, "dead-letter")
        else:
            ending = await self._explanations.ending(entry)
        await self._publisher.publish([ending])
        metrics.MAPS.labels(self._results.kind(ending)).inc()


async def run_explainer(settings: Settings) -> int:
    """Runs the explainer until SIGINT or SIGTERM; a StartError ends it before that."""
    reporter = Reporter()
    logs.set_up("explainer", settings.log_level)
    stop = process.stop_event()
    spec = catalogue.resolve(settings.model, settings.data_path)
    decoder = Decoder(
        spec.preprocessing, 1, settings.max_pixels, settings.max_upload_bytes
    )
    await decoder.start()
    os.nice(NICENESS)  # not the decoder, whose pictures are bounded by the clock too
    link = Keeper(settings.redis_url, name="explainer")
    blocking = Keeper(settings.redis_url, name="explainer-read")
    await connections.check(settings.redis_url, REDIS_PATIENCE_S)
    digest = await served_digest(link, settings.model_name, spec)
    made = assemble(settings, spec, decoder, link, blocking, digest, reporter)
    reporter.ready()
    try:
        await made.run(stop)
    finally:
        await decoder.close()
        await link.close()
        await blocking.close()
    return 0


def assemble(
    settings: Settings,
    spec: ModelSpec,
    decoder: Decoder,
    link: Keeper,
    blocking: Keeper,
    digest: str,
    reporter: Reporter,
) -> Explainer:
    """An explainer of a model whose answers go by a digest; nothing is sent to Redis yet."""
    model = settings.model_name
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    streams = {"explain": keys.explanations(model)}
    consumer = Consumer(blocking, link, model, name, streams)
    results = Results(model, digest, spec.labels, cache=settings.cache_ttl_s > 0)

    def open_maps() -> ActivationMaps:
        with stderr_into(Path(os.devnull)):
            return ActivationMaps.open(spec, THREADS)

    explanations = Explanations(
        *(link, decoder, open_maps, spec.preprocessing, results),
        classes=len(spec.labels),
        keep_best=digest == spec.digest,
    )
    publisher = Publisher(
        *(link, consumer, digest),
        result_ttl_s=settings.result_ttl_s,
        cache_ttl_s=settings.cache_ttl_s,
        has_room=lambda: explanations.has_room,
    )
    return Explainer(link, consumer, explanations, results, publisher, reporter)


async def served_digest(link: Keeper, model: str, spec: ModelSpec) -> str:
    """By what digest answers go, as live workers say; the model's own where none does.

    Answers in float16 go by another (`inference.start.served_digest`), and a map is of what was answered.
    """
    names = await link.call("ZRANGE", keys.workers(), 0, -1)
    if not names:
        return spec.digest
    details = await link.call("MGET", *(keys.worker(name.decode()) for name in names))
    served = set()
    for data in details:
        with contextlib.suppress(wire.WireError):  # of another version
            worker = None if data is None else wire.read_worker(data)
            if worker is not None and worker.model == model:
                served.add(worker.model_digest)
    half = float16_digest(spec.digest)
    return half if half in served and spec.digest not in served else spec.digest
