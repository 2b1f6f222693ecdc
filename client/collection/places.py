"""The journal of what was put where, in the ledger's table ``places``.

A step is in it, on the disk, before it is done and again after: a crash leaves no file of which it is
not known where it came from. It has its own connection, whose commits wait for the disk.
"""

import sqlite3
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec

from client.collection.ledger import LedgerError

AT_ONCE: Final = 500  # rows read at once
FOLDER: Final = "folder"
SORTING: Final = "sorting"  # the note's name
COLUMNS: Final = "SELECT id, file, source, target, way, state, mark FROM places"
BUSY_S: Final = 30.0

State = Literal["begun", "made", "leaving"]


class Way(StrEnum):
    """How files are put into their places."""

    LINK = "link"
    SYMLINK = "symlink"
    COPY = "copy"
    MOVE = "move"


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """By which a file that was put somewhere is known again.

    Attributes:
        inode: its number; 0: nothing was put there yet. Not the device's, which changes with a reboot.
        ctime_ns: of copies; 0: not known.
        digest: SHA-256 of its bytes.
    """

    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    digest: bytes = b""


class Place(msgspec.Struct, frozen=True):
    """A file's place, or a folder that was made.

    Attributes:
        number: in the journal; in no order that means anything but that of time.
        file: its number in the ledger; 0: a folder.
        source: its path as in the ledger.
        way: one of `Way`, or ``folder``.
        state: ``leaving``: it is being copied back.
    """

    number: int
    file: int
    source: bytes
    target: bytes
    way: str
    state: State
    mark: Mark


class Sorting(msgspec.Struct, frozen=True):
    """What the journal is about: one folder, one way; `token` is in the names of unfinished files."""

    into: bytes
    way: str
    token: str

    def part(self, folder: bytes, number: int) -> bytes:
        """The name of the file that a step of this number writes to."""
        return b"%s/.pictor-%s-%d.part" % (folder, self.token.encode(), number)


class Places:
    """The journal, open; a context manager. What is written is kept by `commit`."""

    def __init__(self, ledger: Path) -> None:
        """Takes the path of a ledger that is there.

        All methods raise LedgerError where it cannot be read or written.
        """
        try:
            self._db = sqlite3.connect(ledger, isolation_level=None, timeout=BUSY_S)
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger cannot be used: {error}") from error
        self._run("PRAGMA synchronous=FULL")

    def _run(self, command: str, *given: object) -> sqlite3.Cursor:
        try:
            return self._db.execute(command, given)
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger cannot be used: {error}") from error

    def _write(self, command: str, *given: object) -> sqlite3.Cursor:
        if not self._db.in_transaction:
            self._run("BEGIN IMMEDIATE")
        return self._run(command, *given)

    def commit(self) -> None:
        """Keeps what was written, on the disk."""
        if self._db.in_transaction:
            self._run("COMMIT")

    def begin(
        self, file: int, source: bytes, target: bytes, way: str, mark: Mark
    ) -> Place:
        """A step is about to be done."""
        number = self._write(
            "INSERT INTO places (file, source, target, way, state, mark)"
            " VALUES (?, ?, ?, ?, 'begun', ?)",
            *(file, source, target, way, msgspec.msgpack.encode(mark)),
        ).lastrowid
        assert number is not None
        return Place(number, file, source, target, way, "begun", mark)

    def update(self, place: Place) -> None:
        """Its target, state or mark is another now."""
        self._write(
            "UPDATE places SET target = ?, state = ?, mark = ? WHERE id = ?",
            *(place.target, place.state, msgspec.msgpack.encode(place.mark)),
            place.number,
        )

    def drop(self, place: Place) -> None:
        """It was not done, or has been undone."""
        self._write("DELETE FROM places WHERE id = ?", place.number)

    def of_file(self, number: int) -> Place | None:
        """Where a file was put last."""
        row = self._run(
            f"{COLUMNS} WHERE file = ? AND state != 'begun' ORDER BY id DESC LIMIT 1",
            number,
        ).fetchone()
        return None if row is None else _place(row)

    def is_target(self, path: bytes) -> bool:
        """Whether a path is one that a file was put to."""
        found = self._run("SELECT 1 FROM places WHERE target = ? LIMIT 1", path)
        return found.fetchone() is not None

    def is_moved(self, path: bytes) -> bool:
        """Whether the file that was there has been moved to its place."""
        found = self._run(
            "SELECT 1 FROM files JOIN places ON places.file = files.id"
            " WHERE path = ? AND way = ? AND state != 'begun' LIMIT 1",
            *(path, Way.MOVE),
        )
        return found.fetchone() is not None

    def unsettled(self) -> Iterator[Place]:
        """Steps that were begun and not finished: a crash has left them."""
        yield from map(_place, self._run(f"{COLUMNS} WHERE state != 'made'").fetchall())

    def backwards(self, *, folders: bool) -> Iterator[Place]:
        """All files, or all folders, the last first; they may be dropped meanwhile."""
        before = 1 << 62
        what = "file = 0" if folders else "file != 0"
        while rows := self._run(
            f"{COLUMNS} WHERE id < ? AND {what} ORDER BY id DESC LIMIT ?",
            *(before, AT_ONCE),
        ).fetchall():
            yield from map(_place, rows)
            before = rows[-1][0]

    def count(self) -> int:
        """How many files are in their places."""
        (count,) = self._run("SELECT count(*) FROM places WHERE file != 0").fetchone()
        return int(count)

    def sorting(self) -> Sorting | None:
        """What the journal is about, if anything was sorted ever."""
        row = self._run("SELECT value FROM notes WHERE name = ?", SORTING).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=Sorting)

    def about(self, sorting: Sorting) -> None:
        """What the journal is about from now on; committed."""
        self._write(
            "INSERT INTO notes VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            *(SORTING, msgspec.msgpack.encode(sorting)),
        )
        self.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()  # what was not committed is rolled back


def _place(row: tuple[Any, ...]) -> Place:
    number, file, source, target, way, state, mark = row
    known = msgspec.msgpack.decode(mark, type=Mark)
    return Place(number, file, source, target, way, state, known)
