"""How a worker is put together: costs known before the first request."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from common.connections import Keeper
from common.process import Reporter
from common.settings import Settings
from inference import start
from inference.batcher import Cost
from inference.decoders import Decoders
from inference.models.catalogue import DEFAULT, resolve
from inference.models.preprocessing import Preprocessing
from inference.tensorflow_engine import FIXED_SIZES, TensorFlowEngine

RECIPE = Preprocessing(height=4, width=6)
Images = NDArray[np.uint8]


class Recorder:
    """An engine that remembers what it was given."""

    name, classes = "recorder", 2

    def __init__(self) -> None:
        self.batches: list[NDArray[np.uint8]] = []

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(images)
        return np.zeros((len(images), self.classes), np.float32)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("most", [1, 2, 3, 16, 64])
def test_a_warm_up_runs_no_batch_that_is_too_large(most: int) -> None:
    """Nor any of another shape; what it costs is known afterwards."""
    engine, cost = Recorder(), Cost()
    start.warm_up(engine, RECIPE, cost, most)
    sizes = {len(batch) for batch in engine.batches}
    assert {n for n in start.WARM_UP_SIZES if n <= most} <= sizes
    assert max(sizes) <= most
    assert {batch.shape[1:] for batch in engine.batches} == {(4, 6, 3)}
    assert {batch.dtype for batch in engine.batches} == {np.dtype(np.uint8)}
    assert cost.of(1) > 0


class OnGpu(TensorFlowEngine):
    """What the start sees of an engine with a GPU; it computes nothing."""

    def __init__(self, *, gpu: bool) -> None:
        self.gpu = gpu
        self.fixed_sizes = FIXED_SIZES if gpu else ()
        self.sizes: list[int] = []

    def run(self, images: Images) -> NDArray[np.float32]:
        self.sizes.append(len(images))
        return np.zeros((len(images), 2), np.float32)


def test_a_gpu_is_warmed_up_with_every_size_it_will_see() -> None:
    """The first batch of a size would take seconds of somebody's deadline."""
    engine = OnGpu(gpu=True)
    start.warm_up(engine, RECIPE, Cost(), 128)
    assert set(engine.sizes) == set(FIXED_SIZES)
    engine = OnGpu(gpu=False)
    start.warm_up(engine, RECIPE, Cost(), 128)
    assert max(engine.sizes) == start.LARGEST_WARM_UP


def test_decoders_follow_the_engine_unless_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(start, "usable_cores", lambda: 6)
    untold = Settings()
    assert start.decoders(untold, OnGpu(gpu=True), threads=6) == 5  # one worker
    assert start.decoders(untold, OnGpu(gpu=True), threads=2) == 1  # of three
    assert start.decoders(untold, OnGpu(gpu=False), threads=6) == 1
    assert start.decoders(untold, Recorder(), threads=6) == 1
    few = Settings(workers=2)  # of one thread each, as calibrated
    assert start.decoders(few, OnGpu(gpu=True), threads=1) == 2
    told = Settings(decoders=2)
    assert start.decoders(told, OnGpu(gpu=True), threads=6) == 2
    assert start.decoders(told, Recorder(), threads=6) == 2


def test_decoding_has_cores_of_its_own_unless_engines_of_one_thread_take_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(start, "usable_cores", lambda: 4)
    on_cpu = Recorder()
    assert not start.decodes_beside(Settings(), on_cpu, threads=1)
    assert not start.decodes_beside(Settings(workers=6), on_cpu, threads=1)
    assert start.decodes_beside(Settings(workers=3), on_cpu, threads=1)
    assert start.decodes_beside(Settings(), on_cpu, threads=4)
    assert start.decodes_beside(Settings(), OnGpu(gpu=True), threads=1)


async def test_answers_of_another_precision_are_another_models(redis_url: str) -> None:
    """Where they are kept, announced and told: one digest, as long as the model's own."""
    spec = resolve(DEFAULT, Path())
    found = set()
    for precision in ("float32", "float16"):
        engine = OnGpu(gpu=True)
        engine.precision = precision
        parts = start.Parts(spec, engine, Decoders([]), 8)
        link = Keeper(redis_url)
        stages = start.assemble(Settings(), parts, Cost(), link, link, Reporter())
        digests = {
            stages.results.model_digest,
            stages.publisher._model_digest,
            stages.presence._digest,
        }
        assert len(digests) == 1
        found |= digests
    assert len(found) == 2
    assert spec.digest in found
    assert {len(one) for one in found} == {len(spec.digest)}
