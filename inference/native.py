"""Keeps the chatter of native libraries, which bypass Python's streams, off the terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def stderr_into(path: Path) -> Iterator[None]:
    """Sends what is written to descriptor 2 into a file, and gives stderr back at the end.

    TensorFlow, its converter and LiteRT write there when all is well. Errors are raised, and seen;
    after a death without an exception (out of memory) the file says how far it came.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    kept = os.dup(2)
    with path.open("ab") as file:  # appending: processes at once do not overwrite
        if path.is_file():
            file.truncate(0)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
