"""From what ``PICTOR_MODEL`` says to a model: the way into this package.

==========================  ===========================  =======================================
what it says                kind                         needs
==========================  ===========================  =======================================
``efficientnet_lite0..2``   ``lite``                     nothing
a folder, or a path         ``folder``                   three files in it
``resnet50``, ...           ``applications``             one download by Keras, the first time
==========================  ===========================  =======================================
"""

import os
from pathlib import Path

from . import applications, folder, lite
from .spec import ModelSpec

DEFAULT = "efficientnet_lite0"


def resolve(name_or_folder: str, data_dir: Path) -> ModelSpec:
    """Finds a model. Imports TensorFlow only for a ``keras.applications`` network's first time.

    Args:
        name_or_folder: a name in any spelling (``ResNet50``, ``resnet_50``), or a folder. A name
            wins over a folder called the same; ``./name`` means the folder.
        data_dir: the service's data directory; ``models`` in it is this package's.

    Raises:
        StartError: nothing of that name, or its files are missing or wrong.
    """
    name = _lite(name_or_folder)
    if name is not None:
        return lite.resolve(name)
    if _is_folder(name_or_folder):
        return folder.resolve(Path(name_or_folder))
    return applications.resolve(name_or_folder, data_dir, others=tuple(lite.NAMES))


def known(name_or_folder: str, data_dir: Path) -> bool:
    """Whether ``resolve`` answers at once; else it would download a network, and build it.

    Raises:
        StartError: there is no network of that name. A folder is not looked into.
    """
    if _lite(name_or_folder) is not None or _is_folder(name_or_folder):
        return True
    return applications.known(name_or_folder, data_dir, others=tuple(lite.NAMES))


def _lite(name: str) -> str | None:
    """The name of a network that needs nothing, however it is spelt."""
    names = {applications.squash(one): one for one in lite.NAMES}
    return names.get(applications.squash(name))


def _is_folder(name: str) -> bool:
    is_path = os.sep in name or name.startswith((".", "~"))
    return is_path or Path(name).is_dir()
