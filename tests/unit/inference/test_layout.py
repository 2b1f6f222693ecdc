"""Layouts: what is tried, what is best, and what workers are started with."""

import logging
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from common.settings import Settings, usable_cores
from inference import engine as engines
from inference import layout
from inference.__main__ import find_layout
from inference.layout import AS_GOOD, Chosen, Layout, Point, Shape

TWO, ONE = Shape(2, 1), Shape(1, 2)
MEASURED = Layout(
    model="m",
    model_digest="d",
    engine="litert",
    precision="auto",
    gpu=False,
    cores=usable_cores(),
    machine="a machine",
    date="2026-01-02T03:04:05+00:00",
    others_cores=0.0,
    shape=Shape(3, 5),
    max_batch=7,
    points=(Point(Shape(3, 5), 7, 100.0),),
)


def points(rates: dict[Shape, dict[int, float]]) -> list[Point]:
    return [
        Point(shape, n, rate) for shape, its in rates.items() for n, rate in its.items()
    ]


@pytest.mark.parametrize(
    ("cores", "most", "expected"),
    [
        (1, 1, [(1, 1)]),
        (2, 2, [(2, 1), (1, 2), (1, 1)]),
        (6, 6, [(6, 1), (4, 1), (2, 3), (1, 6), (3, 1), (1, 1)]),
        (8, 8, [(8, 1), (4, 2), (2, 4), (1, 8), (4, 1), (1, 1)]),
        (16, 2, [(2, 8), (1, 16), (2, 1), (1, 1)]),
    ],
)
def test_what_is_tried(cores: int, most: int, expected: list[tuple[int, int]]) -> None:
    assert layout.shapes(cores, most) == [Shape(*one) for one in expected]


@given(st.integers(1, 300), st.integers(1, 300))
def test_nothing_is_tried_that_needs_more_cores_than_there_are(
    cores: int, most: int
) -> None:
    tried = layout.shapes(cores, most)
    assert len(tried) == len(set(tried)) <= 12
    for shape in tried:
        assert 1 <= shape.processes * shape.threads <= cores
        assert shape.processes <= most
    assert tried[0].processes == min(cores, most)


def test_the_fastest_is_best_unless_one_before_it_is_as_good() -> None:
    slower = AS_GOOD * 100 - 0.1
    assert layout.best(points({TWO: {1: slower}, ONE: {1: 100}}))[0] == ONE
    assert layout.best(points({TWO: {1: slower + 0.2}, ONE: {1: 100}}))[0] == TWO
    assert layout.best(points({TWO: {1: 100}, ONE: {1: 99}}))[0] == TWO


def test_batches_are_bounded_where_they_bring_nothing_any_more() -> None:
    rates = {1: 50.0, 4: 90.0, 8: 100.0, 16: 95.0, 32: 80.0}
    assert layout.best(points({TWO: rates, ONE: {64: 90.0}})) == (TWO, 16)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Chosen(Shape(3, 5), 7, f"calibrated {MEASURED.date}")),
        ({"MAX_BATCH": "2"}, Chosen(Shape(3, 5), 2, f"calibrated {MEASURED.date}")),
        ({"WORKERS": "3"}, Chosen(Shape(3, 5), 7, f"calibrated {MEASURED.date}")),
        ({"WORKERS": "4"}, Chosen(Shape(4, 2), 0, "settings")),
        ({"WORKERS": "9", "MAX_BATCH": "2"}, Chosen(Shape(9, 1), 2, "settings")),
    ],
)
def test_what_is_set_wins_over_what_was_calibrated(
    settings: dict[str, str], expected: Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "usable_cores", lambda: 8)
    given = Settings.parse({f"PICTOR_{name}": one for name, one in settings.items()})
    use = layout.chosen(given, MEASURED, gpu=False)
    assert use == expected
    worker = layout.as_set(given, use)
    assert (worker.workers, worker.max_batch) == (use.shape.processes, use.max_batch)


@pytest.mark.parametrize(
    ("cores", "workers", "expected"),
    [(8, 0, (8, 1)), (8, 1, (1, 8)), (8, 3, (3, 2)), (2, 8, (8, 1))],
)
def test_without_calibration_the_cores_are_shared_out_among_the_workers(
    cores: int,
    workers: int,
    expected: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "usable_cores", lambda: cores)
    use = layout.chosen(Settings(workers=workers), None, gpu=False)
    assert (use.shape, use.max_batch) == (Shape(*expected), 0)


@pytest.mark.parametrize(("workers", "expected"), [(0, (1, 8)), (2, (2, 4))])
def test_a_gpu_has_one_worker_unless_told(
    workers: int, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several would take each other's memory, and no core computes."""
    monkeypatch.setattr(layout, "usable_cores", lambda: 8)
    use = layout.chosen(Settings(workers=workers), None, gpu=True)
    assert (use.shape, use.max_batch) == (Shape(*expected), 0)


@pytest.mark.parametrize("engine", ["tensorflow", "litert"])
def test_the_parent_knows_whether_its_engine_has_a_gpu(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "usable_cores", lambda: 8)
    monkeypatch.setattr(engines, "gpu", lambda: True)
    names = {"PICTOR_ENGINE": engine, "PICTOR_DATA_DIR": str(tmp_path)}
    use = find_layout(Settings.parse(names))
    assert use.shape == (Shape(1, 8) if engine == "tensorflow" else Shape(8, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path


def store(folder: Path, content: bytes) -> None:
    layout.path(folder, "d", "litert").write_bytes(content)


def stored(folder: Path, digest: str = "d", engine: str = "litert") -> Layout | None:
    """As asked for without a GPU, and without a word on precision."""
    return layout.stored(folder, digest, engine, "auto", gpu=False)


def test_what_was_stored_is_there_again(folder: Path) -> None:
    assert not layout.any_stored(folder)
    store(folder, msgspec.json.encode(MEASURED))
    assert layout.any_stored(folder)
    with capture_logs() as said:
        assert stored(folder) == MEASURED
        assert stored(folder, "another") is None
        assert stored(folder, engine="tensorflow") is None
    assert said == []


def changed(**values: object) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(MEASURED, **values))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated"),
        (b"{}", "missing required field"),
        (b'{"version": "\xff', "truncated"),
        (changed(version=1), "it is of version 1, not 2"),
        (changed(cores=usable_cores() + 1), "cores, not"),
        (changed(model_digest="e"), "another model or engine"),
        (changed(engine="tensorflow"), "another model or engine"),
        (changed(precision="float16"), "PICTOR_PRECISION=float16, not auto"),
        (changed(gpu=True), "a machine with a GPU"),
        (changed(max_batch=0), ">= 1"),
        (changed(shape=Shape(0, 1)), ">= 1"),
    ],
)
def test_what_cannot_be_used_is_ignored_with_one_line(
    folder: Path, content: bytes, reason: str
) -> None:
    store(folder, content)
    with capture_logs() as said:
        assert stored(folder) is None
    (line,) = said
    assert line["log_level"] == logging.getLevelName(logging.WARNING).lower()
    assert reason in line["reason"]


def test_a_file_that_cannot_be_read_is_ignored_as_well(folder: Path) -> None:
    layout.path(folder, "d", "litert").mkdir()
    with capture_logs() as said:
        assert stored(folder) is None
    assert len(said) == 1
