"""What is done to files, so that none is ever overwritten or lost.

A new name is always made by a call that fails where the name is taken, never by looking first.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from functools import cache
from typing import Final

_HERE: Final = -100  # AT_FDCWD
_NO_REPLACE: Final = 1  # RENAME_NOREPLACE
CANNOT: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})
AT_ONCE: Final = 1 << 20  # bytes


def look(path: bytes) -> os.stat_result | None:
    """What is at a path, a link not followed; None where there is nothing."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def digest(path: bytes) -> bytes:
    """A file's SHA-256; raises OSError."""
    made = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(AT_ONCE):
            made.update(data)
    return made.digest()


def rename_new(old: bytes, new: bytes) -> None:
    """Gives a file another name, in one step where the system can.

    Raises:
        FileExistsError: there is something of the new name; nothing was done.
        OSError: as `os.rename`; with EXDEV where it is on another file system.
    """
    try:
        rename_at_once(old, new)
    except OSError as error:
        if error.errno not in CANNOT:
            raise
        os.link(old, new, follow_symlinks=False)
        os.unlink(old)


def rename_at_once(old: bytes, new: bytes) -> None:
    """As `rename_new`, in one step or not at all; raises OSError with one of CANNOT."""
    call = _renameat2()
    failed = errno.ENOSYS if call is None else call(old, new)
    if failed:
        raise OSError(failed, os.strerror(failed), new)


@cache
def _renameat2() -> Callable[[bytes, bytes], int] | None:
    """Linux's rename that does not replace: 0, or an error's number. None: the system has none."""
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return None

    def rename(old: bytes, new: bytes) -> int:
        if call(_HERE, old, _HERE, new, _NO_REPLACE) == 0:
            return 0
        return ctypes.get_errno()

    return rename


def write_new(path: bytes, data: bytes, like: bytes | None) -> os.stat_result:
    """Writes a file that is not there yet, down to the disk.

    Args:
        path: its name.
        data: its bytes.
        like: the file whose times and rights it gets; None: none.

    Raises:
        FileExistsError: there is something of this name.
        OSError: the disk is full, or what else may happen; what was written is gone again.
    """
    held = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(held, "wb") as file:
            file.write(data)
            file.flush()
            if like is not None:
                _alike(path, like)
            os.fsync(file.fileno())
            return os.fstat(file.fileno())
    except OSError:
        os.unlink(path)
        raise


def _alike(path: bytes, like: bytes) -> None:
    status = os.stat(like)
    made = os.stat(path)
    if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid):
        with contextlib.suppress(PermissionError):  # only root gives files to others
            os.chown(path, status.st_uid, status.st_gid)
    shutil.copystat(like, path)


def keep(folder: bytes) -> None:
    """Names within a folder survive a power cut from now on."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def remove(path: bytes) -> None:
    """A file's name is gone; no error where there is none."""
    with contextlib.suppress(FileNotFoundError):  # that is what is wanted
        os.unlink(path)


def are_two_names(one: bytes, other: bytes) -> bool:
    """Whether a file has these two names, so that it is still there without one of them.

    One name can be reached by two paths, where a folder was replaced by a link to another.
    """
    first, second = look(one), look(other)
    if first is None or second is None or not os.path.samestat(first, second):
        return False
    folders = (os.stat(os.path.dirname(path)) for path in (one, other))
    alike = os.path.basename(one) == os.path.basename(other)
    return first.st_nlink > 1 and not (alike and os.path.samestat(*folders))


def holds_the_same(one: bytes, other: bytes) -> bool:
    """Whether two files, not one, have the same bytes."""
    first, second = look(one), look(other)
    if first is None or second is None or not (is_file(first) and is_file(second)):
        return False
    if os.path.samestat(first, second) or first.st_size != second.st_size:
        return False
    return digest(one) == digest(other)


def is_file(status: os.stat_result | None) -> bool:
    """Whether there is a regular file."""
    return status is not None and stat.S_ISREG(status.st_mode)
