"""Which files a collection consists of: files, folders, globs, archives, lists."""

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client.collection import archives, pictures
from client.collection.records import Found

JUNK: Final = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX", "@eaDir"})
MISSING: Final = "There is no such file."


@dataclass
class Sources:
    """Finds files; counts what it passes by.

    Attributes:
        skipped: files in folders that are no pictures by name.
    """

    skipped: int = 0

    def find(self, names: Iterable[str]) -> Iterator[Found]:
        """The files behind these names, each once for each time it is named.

        A folder is gone through in order of names, links to folders not followed, hidden files
        passed by. A name that is not there is a file that is refused: a row that says so.
        """
        for name in names:
            # Without `..`, but with links as they are, which `resolve` would follow.
            path = Path(os.path.abspath(Path(name).expanduser()))  # noqa: PTH100
            if not os.path.lexists(path) and glob.has_magic(name):
                matches = sorted(glob.iglob(name, recursive=True))  # noqa: PTH207
                yield from self.find(matches) if matches else [_missing(path)]
            else:
                yield from self._one(path)

    def _one(self, path: Path) -> Iterator[Found]:
        try:
            status = path.stat()
        except OSError as error:
            yield _missing(path, error)
            return
        if stat.S_ISDIR(status.st_mode):
            yield from self._folder(path)
        elif archives.is_archive(path):
            yield from archives.find(path)
        elif stat.S_ISREG(status.st_mode):
            refused = pictures.other_by_name(path.name)
            yield _found(path, status, refused)
        else:
            yield _found(path, status, archives.DEVICE)

    def _folder(self, folder: Path) -> Iterator[Found]:
        try:
            with os.scandir(folder) as entries:
                ordered = sorted(entries, key=lambda one: os.fsencode(one.name))
        except OSError as error:
            yield _missing(folder, error)
            return
        for entry in ordered:
            if entry.name.startswith(".") or entry.name in JUNK:
                continue
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from self._folder(path)
            elif archives.is_archive(path) or pictures.by_name(entry.name):
                yield from self._one(path)
            elif refused := pictures.other_by_name(entry.name):
                yield _found(path, entry.stat(follow_symlinks=False), refused)
            else:
                self.skipped += 1


def _found(path: Path, status: os.stat_result, refused: str) -> Found:
    return Found(os.fsencode(path), status.st_size, status.st_mtime_ns, refused)


def _missing(path: Path, error: OSError | None = None) -> Found:
    told = f"It cannot be read: {error.strerror}." if error else MISSING
    if isinstance(error, FileNotFoundError):
        told = MISSING
    return Found(os.fsencode(path), 0, 0, told)
