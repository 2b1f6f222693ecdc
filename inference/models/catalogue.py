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
    lite_names = {applications.squash(name): name for name in lite.NAMES}
    name = lite_names.get(applications.squash(name_or_folder))
    if name is not None:
        return lite.resolve(name)
    is_path = os.sep in name_or_folder or name_or_folder.startswith((".", "~"))
    if is_path or Path(name_or_folder).is_dir():
        return folder.resolve(Path(name_or_folder))
    return applications.resolve(name_or_folder, data_dir, others=tuple(lite.NAMES))
