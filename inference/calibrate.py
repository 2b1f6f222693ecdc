"""``python -m inference calibrate``: finds the layout for this machine, shows and stores it.

Tried are processes × engine threads (`inference.layout`) and batch sizes, with the model and the engine
of the settings (`inference.sweep`, `inference.trials`), in about a minute, two at most. The table goes to the terminal and,
with a PNG of the curve, into ``PICTOR_DATA_DIR/models``, beside the layout that workers take from then on.
"""

import argparse
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from common.__main__ import lock
from common.errors import StartError
from common.settings import Settings, usable_cores
from inference import curve, layout
from inference.engine import choose, gpu
from inference.layout import Layout
from inference.load import Load
from inference.models import catalogue
from inference.models.files import write_atomically
from inference.sweep import sweep
from inference.trials import Crew

LONGEST_S: Final = 90.0  # after which no round begins
TRIAL_S: Final = 0.8
ROUNDS: Final = 3  # the best of them counts, so that a busy moment does not decide
BATCHES: Final = (1, 2, 4, 8, 16)
BATCHES_ON_GPU: Final = (1, 4, 16, 64, 128)
NOISE_CORES: Final = 0.2  # used by others; more is told
MOST_ON_GPU: Final = 4  # processes; each has its own copy of all there
CPU_INFO: Final = Path("/proc/cpuinfo")


def calibrate(settings: Settings, arguments: Sequence[str]) -> int:
    """Measures, shows, stores. The model is prepared.

    Raises:
        StartError: Pictor is running here, which would be measured too; or nothing could be measured.
    """
    options = _parse(arguments)
    with lock(settings.data_path):
        measured = _measured(settings, options.trial_s, options.rounds)
        file = layout.path(settings.data_path, measured.model_digest, measured.engine)
        shown = table(measured)
        title = f"{measured.model}, {measured.engine}, {measured.cores} cores: throughput by batch size"
        write_atomically(file.with_suffix(".txt"), shown.encode())
        write_atomically(
            file.with_suffix(".png"), curve.png(title, measured.points, measured.shape)
        )
        write_atomically(file, msgspec.json.encode(measured))
    print(f"\n{shown}\nstored: {file}, with .txt and .png; Pictor's next start uses it")
    return 0


def _measured(settings: Settings, trial_s: float, rounds: int) -> Layout:
    spec = catalogue.resolve(settings.model, settings.data_path)
    engine, cores = choose(settings.engine), usable_cores()
    on_gpu = engine == "tensorflow" and gpu()
    batches = BATCHES_ON_GPU if on_gpu else BATCHES
    load = Load()
    points = sweep(
        layout.shapes(cores, MOST_ON_GPU if on_gpu else cores),
        batches,
        lambda shape: Crew.start(settings, shape, batches),
        rounds=rounds,
        trial_s=trial_s,
        until=time.monotonic() + LONGEST_S,
        tell=lambda text: print(f"{text} ...", flush=True),
    )
    if not points:
        raise StartError("nothing could be measured; see what the processes said above")
    shape, max_batch = layout.best(points)
    return Layout(
        model=spec.name,
        model_digest=spec.digest,
        engine=engine,
        precision=settings.precision,
        gpu=on_gpu,
        cores=cores,
        machine=_machine(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        others_cores=round(load.others_cores(), 2),
        shape=shape,
        max_batch=max_batch,
        points=tuple(points),
    )


def table(measured: Layout) -> str:
    """What was measured, a line a shape, and what follows."""
    batches = sorted({point.batch for point in measured.points})
    rates = {(one.shape, one.batch): one.images_per_s for one in measured.points}
    lines = [
        f"{measured.model} with {measured.engine} on {measured.cores} cores ({measured.machine}), {measured.date}",
        "images/s, decoded and inferred; the best of several trials",
        "",
        "processes × threads" + "".join(f"{f'batch {n}':>11}" for n in batches),
    ]
    lines += [
        f"{shape!s:19}" + "".join(f"{rates[shape, n]:11.1f}" for n in batches)
        for shape in dict.fromkeys(point.shape for point in measured.points)
    ]
    used = f"{measured.shape.in_words()}, batches of up to {measured.max_batch}"
    lines += ["", f"used: {used}"]
    if measured.others_cores > NOISE_CORES:
        lines += [
            f"Others used {measured.others_cores:.1f} cores meanwhile, which says little about this "
            "machine: calibrate again when it is quiet."
        ]
    return "\n".join(lines) + "\n"


def _machine() -> str:
    """The processor's name where Linux says it, else its architecture."""
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.machine()


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m inference calibrate")
    parser.add_argument(
        "--trial-s", type=float, default=TRIAL_S, help="seconds of each trial"
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="trials of each, in turns"
    )
    return parser.parse_args(arguments)
