"""How a worker is put together: threads shared out, costs known before the first request."""

import numpy as np
import pytest
from numpy.typing import NDArray

from common.settings import Settings, usable_cores
from inference import start
from inference.batcher import Cost
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


@pytest.mark.parametrize(
    ("cores", "workers", "threads"), [(8, 1, 8), (8, 3, 2), (8, 8, 1), (2, 8, 1)]
)
def test_cores_are_shared_out_among_workers(
    cores: int, workers: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "usable_cores", lambda: cores)
    assert start.threads(Settings.parse({"PICTOR_WORKERS": str(workers)})) == threads


def test_by_default_a_worker_has_one_thread() -> None:
    assert usable_cores() >= 1
    assert start.threads(Settings()) == 1


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
    one = Settings.parse({"PICTOR_WORKERS": "1"})
    assert start.decoders(one, OnGpu(gpu=True)) == 5
    assert start.decoders(one, OnGpu(gpu=False)) == 1
    assert start.decoders(one, Recorder()) == 1
    told = Settings.parse({"PICTOR_WORKERS": "1", "PICTOR_DECODERS": "2"})
    assert start.decoders(told, OnGpu(gpu=True)) == 2
    assert start.decoders(told, Recorder()) == 2
