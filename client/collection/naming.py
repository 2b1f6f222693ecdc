"""Names of folders and files that are valid everywhere, and never the same as another's.

Two names are the same where a file system that knows no case would say so: `A.jpg` and `a.jpg`.
"""

import os
import re
import sqlite3
import unicodedata
from collections.abc import Iterable
from typing import Final

from client.collection.records import apart

REVIEW: Final = "_review"  # too unsure
OTHER: Final = "_other"  # the taxonomy leaves it out
MOST_BYTES: Final = 100  # of a folder's name
LONGEST: Final = 255  # bytes of a name, on every file system in use
MOST_ENDING: Final = 20  # bytes; what is longer after the last dot is no ending
# Not to be had under Windows (learn.microsoft.com, "Naming Files, Paths, and Namespaces").
FORBIDDEN: Final = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
RESERVED: Final = frozenset(
    ["con", "prn", "aux", "nul"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)]
)


def folder_name(text: str) -> str:
    """A folder's name for any text: no separator, no leading dot, 1 to 100 bytes."""
    name = text.encode("utf-8", "replace").decode()
    name = FORBIDDEN.sub("_", unicodedata.normalize("NFC", name)).strip()
    if name.startswith("."):
        name = f"_{name[1:]}"
    if name.partition(".")[0].rstrip().lower() in RESERVED:
        name = f"_{name}"
    return _cut(name.encode(), MOST_BYTES).decode().rstrip(". ") or "_"


def folders(categories: Iterable[str]) -> dict[str, str]:
    """A folder for each category, relative; `/` nests, and none leads out.

    Categories that differ in case alone share one; all others have one of their own.
    """
    made: dict[str, str] = {}
    taken: dict[str, str] = {}  # folder -> category, both folded
    for category in categories:
        parts = [folder_name(part) for part in category.split("/") if part.strip()]
        path = "/".join(parts) or "_"
        number = 1
        while taken.setdefault(folded(_again(path, number)), folded(category)) != (
            folded(category)
        ):
            number += 1
        made[category] = _again(path, number)
    return made


def _again(path: str, number: int) -> str:
    return path if number == 1 else f"{path} ({number})"


def folded(text: str) -> str:
    """What two names have in common that are the same where case does not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def file_name(path: bytes) -> bytes:
    """The name that a file of the collection wants; an archive's entry that of its last part."""
    archive, entry = apart(path)
    if not entry:
        return os.path.basename(archive)
    last = re.split(r"[/\\]", entry.rstrip("/\\"))[-1]
    name = FORBIDDEN.sub("_", last).encode("utf-8", "surrogateescape")
    return b"entry" if name in (b"", b".", b"..") else name


def numbered(name: bytes, number: int, longest: int = LONGEST) -> bytes:
    """``a.jpg``, then ``a (2).jpg`` and so on, within so many bytes."""
    stem, ending = os.path.splitext(name)
    if len(ending) > MOST_ENDING:
        stem, ending = name, b""
    suffix = b"" if number == 1 else b" (%d)" % number
    return _cut(stem, longest - len(suffix + ending)) + suffix + ending


def _cut(name: bytes, most: int) -> bytes:
    """Its beginning, with no character cut in two."""
    if len(name) <= most:
        return name
    try:
        name.decode()
    except UnicodeDecodeError:
        return name[:most]
    return name[:most].decode(errors="ignore").encode()


class Names:
    """The names that are taken in folders, on disk and by what is planned.

    They lie in a temporary database, so that memory stays flat however many there are.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        """Takes how many bytes a name may have."""
        self._longest = longest
        self._folders: dict[bytes, int] = {}
        self._db = sqlite3.connect("", isolation_level=None)  # temporary, on disk
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute(
            "CREATE TABLE taken (folder INTEGER, folded BLOB, name BLOB, is_folder INTEGER,"
            " next INTEGER DEFAULT 2, PRIMARY KEY (folder, folded)) WITHOUT ROWID"
        )

    def file(self, folder: bytes, wanted: bytes) -> bytes:
        """Takes a name for a file: the one that is wanted, or the next that is free."""
        place = self._look(folder)
        name = numbered(wanted, 1, self._longest)
        base = _key(name)
        held = self._db.execute(
            "SELECT next FROM taken WHERE folder = ? AND folded = ?", (place, base)
        ).fetchone()
        if held is None:
            self._take(place, name, is_folder=False)
            return name
        (number,) = held
        while not self._take(
            place, made := numbered(wanted, number, self._longest), is_folder=False
        ):
            number += 1
        self._db.execute(
            "UPDATE taken SET next = ? WHERE folder = ? AND folded = ?",
            (number + 1, place, base),
        )
        return made

    def folder(self, parent: bytes, wanted: bytes) -> bytes:
        """Takes a name for a folder: one that is there already may be used, a file's may not."""
        place = self._look(parent)
        number = 1
        while not self._take(
            place, name := numbered(wanted, number, self._longest), is_folder=True
        ):
            found, is_folder = self._db.execute(
                "SELECT name, is_folder FROM taken WHERE folder = ? AND folded = ?",
                (place, _key(name)),
            ).fetchone()
            if is_folder:
                return bytes(found)
            number += 1
        return name

    def _take(self, place: int, name: bytes, *, is_folder: bool) -> bool:
        return bool(
            self._db.execute(
                "INSERT OR IGNORE INTO taken (folder, folded, name, is_folder)"
                " VALUES (?, ?, ?, ?)",
                (place, _key(name), name, is_folder),
            ).rowcount
        )

    def _look(self, folder: bytes) -> int:
        """The folder's number; what is in it is read once."""
        place = self._folders.get(folder)
        if place is not None:
            return place
        place = self._folders[folder] = len(self._folders)
        if os.path.isdir(folder):
            with os.scandir(folder) as entries:
                self._db.executemany(
                    "INSERT OR IGNORE INTO taken (folder, folded, name, is_folder)"
                    " VALUES (?, ?, ?, ?)",
                    (
                        (
                            place,
                            _key(one.name),
                            one.name,
                            one.is_dir(follow_symlinks=False),
                        )
                        for one in entries
                    ),
                )
        return place

    def close(self) -> None:
        """Forgets all of them."""
        self._db.close()


def _key(name: bytes) -> bytes:
    text = folded(name.decode("utf-8", "surrogateescape"))
    return text.encode("utf-8", "surrogateescape")
