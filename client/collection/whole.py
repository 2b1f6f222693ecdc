"""Files that are there as a whole, or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A name in the same folder to write to; what is there at the end moves into place.

    Safe from a power cut. Where it fails nothing is left behind, and what was there before stays.
    """
    other = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield other
        with other.open("rb") as file:
            os.fsync(file.fileno())
        other.replace(path)
        folder = os.open(path.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        other.unlink(missing_ok=True)
