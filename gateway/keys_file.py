"""Changing the keys file: one writer at a time, whole or not at all, comments kept."""

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from common.errors import StartError

HEAD: Final = (
    "# API keys of Pictor, one a line; only hashes stand here. Written by\n"
    "#   python -m gateway.api_keys add NAME --scopes classify,feedback\n"
    "# A running gateway notices a change within a second.\n"
)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds other writers off. The folder is locked: the file itself is replaced.

    Raises:
        StartError: it cannot be written.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)
    except OSError as error:
        raise StartError(f"{path} cannot be written: {error.strerror}") from None


def write(path: Path, text: str) -> None:
    """Replaces the file: who reads it sees the old or the new one. Its owner's eyes only."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if path.exists():  # root may write it for the user whom the gateway runs as
                old = path.stat()
                os.chown(handle, old.st_uid, old.st_gid)
            file.write(text)
            file.flush()
            os.fsync(handle)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def with_line(text: str, line: str) -> str:
    """The text with one line more: at its end, or before the first table, which would take it in."""
    table = re.search(r"^\s*\[", text, re.MULTILINE)
    at = table.start() if table else len(text)
    before = text[:at] + ("" if text[:at].endswith("\n") or not at else "\n")
    return f"{before}{line}\n{text[at:]}"


def without_line(text: str, name: str) -> str:
    """The text without the lines that begin with a name and an equals sign."""
    line = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=")
    return "".join(one for one in text.splitlines(True) if not line.match(one))
