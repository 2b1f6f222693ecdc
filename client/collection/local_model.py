"""The model of this machine, as far as it can be told without downloading or building it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from common.errors import StartError
from common.settings import Settings

NOT_INSTALLED: Final = (
    "what classifies on this machine is not installed; 'make setup' installs it"
)


@dataclass(frozen=True)
class Model:
    """A model.

    Attributes:
        lacks: what a start does first, by itself; empty where it can be served at once.
    """

    name: str
    engine: str
    lacks: str = ""


def categories(model: str) -> tuple[str, list[tuple[str, str, str]]]:
    """The name of a model and its categories: WordNet id, label, words.

    Args:
        model: as PICTOR_MODEL; empty: what the settings say.

    Raises:
        StartError: there is no such model, or the settings are wrong.
    """
    settings = Settings.load()
    if model:
        settings = msgspec.structs.replace(settings, model=model)
    try:
        from inference.models import catalogue
    except ImportError as error:
        raise StartError(f"{NOT_INSTALLED} ({error})") from None
    spec = catalogue.resolve(settings.model, settings.data_path)
    return spec.name, [(one.wnid, one.label, one.description) for one in spec.labels]


def look(settings: Settings) -> Model:
    """Whether the model that the settings name is there.

    Raises:
        StartError: there is no such model, or it is not installed what serves it.
    """
    try:
        from inference.engine import choose
        from inference.models import catalogue, conversion
        from inference.native import stderr_into
    except ImportError as error:
        raise StartError(f"{NOT_INSTALLED} ({error})") from None
    engine = choose(settings.engine)
    with stderr_into(Path(os.devnull)):  # Keras may have to be asked what it knows
        if not catalogue.known(settings.model, settings.data_path):
            return Model(settings.model, engine, "downloaded and converted")
        spec = catalogue.resolve(settings.model, settings.data_path)
    if engine == "litert" and conversion.cached(spec, settings.data_path) is None:
        return Model(spec.name, engine, "converted")
    return Model(spec.name, engine)
