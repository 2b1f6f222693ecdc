"""Files that are there as a whole, or not at all."""

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A name in the same folder to write to; what is there at the end moves into place.

    Safe from a power cut. Where it fails nothing is left behind, and what was there before stays; what
    a process has left that was killed is removed by the next one that writes to `path`.
    """
    _sweep(path)
    other = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _marked(other):
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


@contextlib.contextmanager
def _marked(other: Path) -> Iterator[None]:
    """Makes the file and holds its lock, as long as this process lives.

    Numbers of processes mean nothing to another container or machine; locks do.
    """
    with contextlib.ExitStack() as held:
        while True:
            file = held.enter_context(other.open("ab"))
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):  # swept before it was locked
                if os.path.samestat(os.fstat(file.fileno()), other.lstat()):
                    break
        yield


def _sweep(path: Path) -> None:
    """Removes what killed processes have left of `path`, and nothing else; never raises OSError."""
    left = re.compile(re.escape(f".{path.name}.") + r"([1-9][0-9]{0,9})\.part")
    with contextlib.suppress(OSError), os.scandir(path.absolute().parent) as entries:
        for entry in entries:
            process = left.fullmatch(entry.name)
            if process is not None and not _lives(int(process[1])):
                with contextlib.suppress(OSError):
                    _remove(entry.path)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is another user's
        return True
    return True


def _remove(part: str) -> None:
    """Removes a file that nobody holds; raises OSError, also where somebody does."""
    if not stat.S_ISREG(os.lstat(part).st_mode):
        return
    file = os.open(part, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), os.lstat(part)):
            Path(part).unlink()
    finally:
        os.close(file)
