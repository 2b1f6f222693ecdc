"""How many workers run here, with how many threads each: as set, as calibrated, or one a core (a GPU: one).

`inference.calibrate` measures and stores; the workers' parent (`inference.__main__`) asks `chosen` once
and tells its workers. A stored layout is for one model, one engine, one precision, one number of cores, and
for a GPU or none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from common import logs
from common.settings import AtLeastOne, Settings, usable_cores

VERSION: Final = 2
# A layout must be this much faster than one tried before it; what lies between is noise.
AS_GOOD: Final = 0.97
# Batches are bounded where they no longer reach this share of the best rate. The bound is generous, since
# the batcher chooses below it, and knows what a batch costs beside the engine.
BOUND_SHARE: Final = 0.9

log = logs.get(__name__)


class Shape(msgspec.Struct, frozen=True):
    """Processes, and engine threads of each."""

    processes: AtLeastOne
    threads: AtLeastOne

    def __str__(self) -> str:
        return f"{self.processes} × {self.threads}"

    def in_words(self) -> str:
        """The same for those who do not know what is multiplied."""
        processes = "process" if self.processes == 1 else "processes"
        threads = "thread" if self.threads == 1 else "threads"
        return f"{self.processes} {processes} of {self.threads} {threads}"


class Point(msgspec.Struct, frozen=True):
    """What a shape reached with batches of a size."""

    shape: Shape
    batch: int
    images_per_s: float


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, and what follows from it.

    Attributes:
        precision: as in the settings.
        gpu: whether there was one for the engine.
        cores: that could be used.
        machine: in words; for people.
        date: when, ISO 8601.
        others_cores: what others used of these cores meanwhile, where the system says it; much of
            that, and the figures say little.
        max_batch: images; larger batches bring nothing.
        points: all that was measured, in the order in which shapes were tried.
    """

    version: int = VERSION
    model: str
    model_digest: str
    engine: str
    precision: str
    gpu: bool
    cores: int
    machine: str
    date: str
    others_cores: float
    shape: Shape
    max_batch: Annotated[int, Meta(ge=1, le=512)]
    points: tuple[Point, ...]


def best(points: Sequence[Point]) -> tuple[Shape, int]:
    """The shape to use and the bound of its batches; of those as good as each other, the first tried."""
    fastest = max(point.images_per_s for point in points)
    shape = next(
        point.shape for point in points if point.images_per_s >= AS_GOOD * fastest
    )
    its = [point for point in points if point.shape == shape]
    enough = BOUND_SHARE * max(point.images_per_s for point in its)
    return shape, max(point.batch for point in its if point.images_per_s >= enough)


def path(data_path: Path, digest: str, engine: str) -> Path:
    """Where the layout for a model and an engine is stored; picture and table lie beside it."""
    return data_path / "models" / f"layout-{digest}-{engine}.json"


def any_stored(data_path: Path) -> bool:
    """Whether there is a layout for any model: without, nobody needs to look the model up."""
    return any((data_path / "models").glob("layout-*.json"))


def stored(
    data_path: Path, digest: str, engine: str, precision: str, *, gpu: bool
) -> Layout | None:
    """The layout for a model and an engine of this precision, on the cores and the GPU that there are.

    None where there is none, or none that can be used; then the log says why.
    """
    file = path(data_path, digest, engine)
    try:
        layout = msgspec.json.decode(file.read_bytes(), type=Layout)
        reason = _unfit(layout, digest, engine, precision, gpu)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        reason = str(error)
    if reason:
        log.warning("a stored layout is not used", file=str(file), reason=reason)
        return None
    return layout


def _unfit(layout: Layout, digest: str, engine: str, precision: str, gpu: bool) -> str:
    """Why a layout is not for here, or nothing."""
    if layout.version != VERSION:
        return f"it is of version {layout.version}, not {VERSION}"
    if (layout.model_digest, layout.engine) != (digest, engine):
        return "it is for another model or engine"
    if layout.precision != precision:
        return f"it is for PICTOR_PRECISION={layout.precision}, not {precision}"
    if layout.gpu != gpu:
        return f"it is for a machine {'with' if layout.gpu else 'without'} a GPU"
    if layout.cores != usable_cores():
        return f"it is for {layout.cores} cores, not {usable_cores()}"
    return ""


@dataclass(frozen=True)
class Chosen:
    """What workers are started with.

    Attributes:
        max_batch: images; 0: the engine's own bound.
        source: ``calibrated``, ``settings`` or ``default``; for people.
    """

    shape: Shape
    max_batch: int
    source: str


def chosen(settings: Settings, calibrated: Layout | None, *, gpu: bool) -> Chosen:
    """What the settings say; where they say 0, what was calibrated; else a worker a core, for a GPU one.

    What was calibrated is one whole: with another number of workers it says nothing.
    """
    cores = usable_cores()
    processes = settings.workers or (1 if gpu else cores)
    source = "settings" if settings.workers else "default"
    shape, bound = Shape(processes, max(1, cores // processes)), 0
    if calibrated is not None and settings.workers in {0, calibrated.shape.processes}:
        shape, bound = calibrated.shape, calibrated.max_batch
        source = f"calibrated {calibrated.date}"
    return Chosen(shape, settings.max_batch or bound, source)


def shapes(cores: int, most: int) -> list[Shape]:
    """The shapes that are worth a trial, the usual one first.

    Args:
        cores: that can be used.
        most: processes; what else they share may allow no more.

    Returns:
        All cores shared out among 1, 2, 4, ... processes, and among as many as there are cores; one
        thread each on half the cores (of hyperthreads, the real ones); one process of one thread.
    """
    powers = [1 << n for n in range(cores.bit_length()) if 1 << n <= cores]
    counts = sorted({min(n, most) for n in (*powers, cores)}, reverse=True)
    tried = [Shape(n, cores // n) for n in counts]
    tried += [Shape(min(max(1, cores // 2), most), 1), Shape(1, 1)]
    return list(dict.fromkeys(tried))


def as_set(settings: Settings, layout: Chosen) -> Settings:
    """The settings that a worker of this layout is started with."""
    return msgspec.structs.replace(
        settings, workers=layout.shape.processes, max_batch=layout.max_batch
    )
