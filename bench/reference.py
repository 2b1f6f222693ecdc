"""What the running system's answers are compared with: the same model and decoder, in this process."""

import subprocess
import sys

import numpy as np
from numpy.typing import NDArray

from common.errors import StartError
from common.settings import Settings
from inference.engine import Engine, choose, open_engine
from inference.images import decode
from inference.models import catalogue, conversion
from inference.models.spec import ModelSpec


def prepared(settings: Settings) -> ModelSpec:
    """The model that the settings name, converted if it was not yet.

    Raises:
        StartError: it cannot be had.
    """
    spec = catalogue.resolve(settings.model, settings.data_path)
    needed = choose(settings.engine) == "litert"
    if needed and conversion.cached(spec, settings.data_path) is None:
        command = (sys.executable, "-m", "inference.prepare", settings.model)
        status = subprocess.run((*command, str(settings.data_path)), check=False)
        if status.returncode:
            raise StartError(f"{settings.model} could not be prepared")
    return spec


def engine(settings: Settings, spec: ModelSpec, threads: int = 1) -> Engine:
    """An engine as a worker has it."""
    return open_engine(
        settings.engine, spec, settings.data_path, threads, settings.precision
    )


def pixels(settings: Settings, spec: ModelSpec, data: bytes) -> NDArray[np.uint8]:
    """An image as the network gets it: uint8 [height, width, 3], 0 to 255, RGB."""
    shape = (spec.preprocessing.height, spec.preprocessing.width, 3)
    raw = decode(data, spec.preprocessing, settings.max_pixels, 0).pixels
    return np.frombuffer(raw, np.uint8).reshape(shape)
