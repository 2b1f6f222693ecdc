"""One run at a time for one output."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from client.errors import ClientError


class Locked(ClientError):
    """Another process works on this output, or nobody can; the message says which."""


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the lock file at `path`; it ends with the process, however that ends.

    Raises:
        Locked: somebody else holds it, or it cannot be held.
    """
    # It stays: to remove it would let two processes hold two files of one name.
    try:
        file = path.open("a+", errors="replace")
    except OSError as error:
        raise Locked(f"{path} cannot be written: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read(20).strip() or "of another"
            raise Locked(f"process {who} is at work on this output already") from None
        except OSError as error:
            raise Locked(
                f"{path} cannot be locked: {error.strerror or error}"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
