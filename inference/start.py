"""Puts a worker together, warms it up and runs it."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from common import connections, logs, process
from common.connections import Keeper
from common.process import Reporter
from common.settings import Settings, usable_cores
from inference import engine as engines
from inference.ahead import Ahead
from inference.batcher import Batcher, Cost
from inference.batches import Batches, ImageDecoder
from inference.consumer import Consumer
from inference.counts import Counts
from inference.decoders import Decoders, automatic
from inference.engine import Engine
from inference.models import catalogue
from inference.models.preprocessing import Preprocessing
from inference.models.spec import ModelSpec, float16_digest
from inference.native import stderr_into
from inference.pace import Pace
from inference.presence import Presence
from inference.publisher import Publisher
from inference.results import Results
from inference.stages import Stages
from inference.tensorflow_engine import TensorFlowEngine
from inference.worker import Worker

WARM_UP_SIZES: Final[tuple[int, ...]] = (
    1,
    2,
    4,
)  # images; enough to tell the fixed cost from that of an image
LARGEST_WARM_UP: Final = 16
# The engine's bound where PICTOR_MAX_BATCH is 0: beyond it a batch costs memory and brings nothing.
MOST_IMAGES: Final = {"litert": 16, "tensorflow": 128}

REDIS_PATIENCE_S: Final = 10.0

log = logs.get(__name__)


@dataclass(frozen=True)
class Parts:
    """What turns images into rows; `run_worker` starts it and closes it.

    Attributes:
        max_batch: images in a batch at most.
    """

    spec: ModelSpec
    engine: Engine
    decoder: ImageDecoder
    max_batch: int


def open_parts(settings: Settings, threads: int) -> Parts:
    """The engine and the decoder that the settings ask for; raises a StartError."""
    spec = catalogue.resolve(settings.model, settings.data_path)
    with stderr_into(Path(os.devnull)):
        engine = engines.open_engine(
            settings.engine,
            spec,
            settings.data_path,
            threads,
            settings.precision,
        )
    max_batch = settings.max_batch or MOST_IMAGES[engine.name]
    decoder = Decoders.of(
        decoders(settings, engine, threads),
        spec.preprocessing,
        max_batch + 2,
        settings.max_pixels,
        settings.max_upload_bytes,
    )
    return Parts(spec, engine, decoder, max_batch)


async def run_worker(
    settings: Settings,
    number: int,
    threads: int,
    make: Callable[[Settings, int], Parts] = open_parts,
) -> int:
    """Runs one worker until SIGINT or SIGTERM; a StartError ends it before that.

    Args:
        settings: of the process.
        number: of the worker, for the log.
        threads: that its engine computes with; how many is the parent's to say (`inference.layout`).
        make: makes engine and decoder.
    """
    reporter = Reporter()
    logs.set_up(f"worker-{number}", settings.log_level)
    stop = process.stop_event()
    parts = make(settings, threads)
    cost = Cost()
    await asyncio.to_thread(
        warm_up, parts.engine, parts.spec.preprocessing, cost, parts.max_batch
    )
    await parts.decoder.start()
    link = Keeper(settings.redis_url, name="worker")
    blocking = Keeper(settings.redis_url, name="worker-read")
    beside = decodes_beside(settings, parts.engine, threads)
    stages = assemble(settings, parts, cost, link, blocking, reporter, beside=beside)
    await connections.check(settings.redis_url, REDIS_PATIENCE_S)
    await stages.consumer.ensure_group()
    await stages.presence.beat()
    log.info(
        "warm",
        model=parts.spec.name,
        engine=parts.engine.name,
        fixed_ms=round(cost.fixed_ms, 1),
        image_ms=round(cost.image_ms, 1),
        batch=stages.batcher.preferred(),
    )
    process.settle()
    reporter.ready()
    try:
        await Worker(stages).run(stop)
    finally:
        await parts.decoder.close()
        parts.engine.close()
        await link.close()
        await blocking.close()
    return 0


def assemble(
    settings: Settings,
    parts: Parts,
    cost: Cost,
    link: Keeper,
    blocking: Keeper,
    reporter: Reporter,
    *,
    beside: bool = True,
) -> Stages:
    """The stages around engine and decoder; nothing is sent to Redis yet.

    `beside` is the same as for `Ahead`.
    """
    spec, model = parts.spec, settings.model_name
    digest = served_digest(spec, parts.engine)
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    consumer = Consumer(blocking, link, model, name)
    batcher = Batcher(
        cost, settings.latency_target_ms, parts.max_batch, lets_by=not beside
    )
    pace, counts = Pace(), Counts()
    presence = Presence(
        link,
        batcher,
        pace,
        counts,
        name=name,
        model=model,
        model_digest=digest,
        engine=parts.engine.name,
        labels=spec.labels,
    )
    results = Results(model, digest, spec.labels, cache=settings.cache_ttl_s > 0)
    publisher = Publisher(
        link,
        consumer,
        digest,
        result_ttl_s=settings.result_ttl_s,
        cache_ttl_s=settings.cache_ttl_s,
        has_room=lambda: presence.has_room,
    )
    ahead = Ahead(cost, beside=beside)
    batches = Batches(link, parts.decoder, parts.engine, results, cost, ahead, counts)
    return Stages(
        *(link, consumer, batcher, batches, publisher),
        *(presence, results, reporter, pace, ahead),
    )


def served_digest(spec: ModelSpec, engine: Engine) -> str:
    """Names the answers: in float16 they are others than the model's own, and must not meet those.

    Gateways and other workers take them for those of another model.
    """
    if isinstance(engine, TensorFlowEngine) and engine.precision == "float16":
        return float16_digest(spec.digest)
    return spec.digest


def decoders(settings: Settings, engine: Engine, threads: int) -> int:
    """Decoders of a worker: as set, or as many as its engine wants."""
    workers = workers_here(settings, threads)
    return settings.decoders or automatic(usable_cores(), workers, gpu=on_gpu(engine))


def decodes_beside(settings: Settings, engine: Engine, threads: int) -> bool:
    """Whether there are cores to decode on while the engines run.

    An engine of several threads leaves all but one of its cores idle while it waits for a decoder, so
    there it pays to decode meanwhile, whoever else wants the cores.
    """
    workers = workers_here(settings, threads)
    return on_gpu(engine) or threads > 1 or workers < usable_cores()


def workers_here(settings: Settings, threads: int) -> int:
    """Workers of this machine, each with so many threads."""
    return settings.workers or max(1, usable_cores() // threads)


def on_gpu(engine: Engine) -> bool:
    """Whether it leaves the cores to others."""
    return isinstance(engine, TensorFlowEngine) and engine.gpu


def warm_up(
    engine: Engine, preprocessing: Preprocessing, cost: Cost, max_batch: int
) -> None:
    """Runs batches of several sizes twice; the second time counts, the first one warms caches.

    All sizes that an engine with a GPU computes, since the first of each takes long there.
    """
    sizes, most = WARM_UP_SIZES, min(max_batch, LARGEST_WARM_UP)
    if isinstance(engine, TensorFlowEngine) and engine.gpu:
        sizes, most = engine.fixed_sizes, max_batch
    random = np.random.default_rng(0)
    shape = (preprocessing.height, preprocessing.width, 3)
    largest = random.integers(0, 256, (most, *shape), dtype=np.uint8)
    engine.run(largest)  # allocates for all that follow
    for size in (n for n in sizes if n <= max_batch):
        images = largest[:size]
        engine.run(images)
        started = time.perf_counter()
        engine.run(images)
        cost.measured(size, (time.perf_counter() - started) * 1000)
