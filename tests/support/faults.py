"""Puts real faults into a running system, which the product's code knows nothing of.

``System(folder, ...)`` is given the ``PYTHONPATH`` that `path` returns; what the faults are stands in
`tests.support.fault_hooks`. A picture breaks what decodes it when it holds the mark of a fault.
"""

import os
import struct
from pathlib import Path

from tests.support import fault_hooks
from tests.support.system import ROOT, System


def path(folder: Path) -> str:
    """Writes the hooks into a folder; the PYTHONPATH with which processes find them."""
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(fault_hooks.__file__).read_text()
    (folder / "sitecustomize.py").write_text(source)
    return os.pathsep.join((str(folder), str(ROOT)))


def install(system: System, folder: Path) -> System:
    """The same system, not yet started, with the hooks in all its processes."""
    system.environment["PYTHONPATH"] = path(folder)
    return system


def marked(jpeg: bytes, fault: str) -> bytes:
    """A JPEG with a comment that names a fault, such as ``abort``, ``memory``, ``loop`` or ``sleep``."""
    comment = fault_hooks.MARK + fault.encode()
    return (
        jpeg[:2]
        + b"\xff\xfe"
        + struct.pack(">H", len(comment) + 2)
        + comment
        + jpeg[2:]
    )
