"""How a worker is put together: threads shared out, costs known before the first request."""

import numpy as np
import pytest
from numpy.typing import NDArray

from common.settings import Settings, usable_cores
from inference import start
from inference.batcher import Cost
from inference.models.preprocessing import Preprocessing

RECIPE = Preprocessing(height=4, width=6)


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
