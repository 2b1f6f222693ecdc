"""One run at a time for one output."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from client.errors import ClientError


class Locked(ClientError):
    """Another process works on this output; the message names it."""


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the lock file at `path`; it ends with the process, however that ends.

    Raises:
        Locked: somebody else holds it.
    """
    # It stays: to remove it would let two processes hold two files of one name.
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read(20).strip() or "another process"
            raise Locked(f"process {who} is at work on this output already") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
