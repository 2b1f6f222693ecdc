"""Which files a collection consists of: files, folders, globs, archives, lists."""

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client.collection import archives, globs, packed, pictures
from client.collection.records import Found

JUNK: Final = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX", "@eaDir"})
MISSING: Final = "There is no such file."


@dataclass
class Sources:
    """Finds files; counts what it passes by.

    Attributes:
        skipped: what lies in folders and is no picture by its name, and links to folders.
    """

    skipped: int = 0

    def find(self, names: Iterable[str]) -> Iterator[Found]:
        """The files behind these names, each once for each time it is named.

        A folder is gone through in order of names, links to folders not followed, hidden files
        passed by; so is what ``**`` stands for in a glob. A name that is not there is a file that is
        refused: a row that says so.
        """
        for name in names:
            if not os.path.lexists(name):
                name = os.path.expanduser(name)  # noqa: PLW2901, PTH111
            # Without `..`, but with links as they are, which `resolve` would follow.
            path = Path(os.path.abspath(name))  # noqa: PTH100
            if "\0" in name:  # no file has it, and in a ledger it means an archive
                yield _missing(
                    Path(str(path).replace("\0", "\N{REPLACEMENT CHARACTER}"))
                )
            elif not os.path.lexists(path) and glob.has_magic(name):
                matches = sorted(set(globs.matches(name)))
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
        elif not stat.S_ISREG(status.st_mode):  # to open one may take for ever
            yield _found(path, status, packed.DEVICE)
        elif archives.is_archive(path):
            yield from archives.find(path)
        else:
            yield _found(path, status, pictures.other_by_name(path.name))

    def _folder(self, top: Path) -> Iterator[Found]:
        """All files below a folder, however deep."""
        stack = [self._within(top)]
        while stack:
            one = next(stack[-1], None)
            if one is None:
                stack.pop()
            elif isinstance(one, Path):
                stack.append(self._within(one))
            else:
                yield one

    def _within(self, folder: Path) -> Iterator[Found | Path]:
        """The files in a folder, and the folders, in order of names."""
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
            if entry.is_symlink() and path.is_dir():
                self.skipped += 1  # whatever it is called
            elif entry.is_dir(follow_symlinks=False):
                yield path
            elif _is_taken(path):
                yield from self._one(path)
            else:
                self.skipped += 1


def _is_taken(path: Path) -> bool:
    """Whether a file in a folder is one of the collection, be it refused."""
    name = path.name
    return (
        archives.is_archive(path)
        or pictures.by_name(name)
        or bool(pictures.other_by_name(name))
    )


def _found(path: Path, status: os.stat_result, refused: str) -> Found:
    return Found(os.fsencode(path), status.st_size, status.st_mtime_ns, refused)


def _missing(path: Path, error: OSError | None = None) -> Found:
    told = f"It cannot be read: {error.strerror}." if error else MISSING
    if isinstance(error, FileNotFoundError):
        told = MISSING
    return Found(os.fsencode(path), 0, 0, told)
