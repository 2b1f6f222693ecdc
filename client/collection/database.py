"""A ledger's SQLite file: opened, made, and written to as a whole or not at all.

Write-ahead logging with ``synchronous=NORMAL``: a crash of this process loses nothing that was
committed, a power cut at most the last moments, which are then done again (sqlite.org/wal.html).
The schema's version is checked, never guessed. One process writes; any number may read meanwhile.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from client.collection.schema import TABLES, VERSION
from client.errors import ClientError

BUSY_S: Final = 30.0  # that another's write is waited for


class LedgerError(ClientError):
    """The ledger is of another version, damaged, or not to be written."""


class Database:
    """The file, open; use it as a context manager. What is written is kept by `commit`."""

    def __init__(self, path: Path, *, new: bool = True) -> None:
        """Opens it, or makes it.

        Args:
            path: of the SQLite file.
            new: make it where it is missing; for one process at a time (`client.collection.lock`).

        Raises:
            LedgerError: it is missing, no ledger, or of another version.
        """
        not_begun = LedgerError(f"{path} is not there: no run has been begun")
        if not new and not path.exists():
            raise not_begun
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0 and not new:  # it is being made in this moment
                raise not_begun
            if version == 0:
                self._make()
            elif version != VERSION:
                raise LedgerError(
                    f"{path} is a ledger of version {version}, not {VERSION}"
                )
        except sqlite3.Error as error:
            raise LedgerError(f"{path} cannot be used: {error}") from error

    def _make(self) -> None:
        self._db.executescript(f"BEGIN; {TABLES} PRAGMA user_version={VERSION}; COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()  # what was not committed is rolled back

    def begin(self) -> None:
        """What is written from now on is kept by `commit`, all of it or nothing; also if begun before."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Keeps what was written since `begin`."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is written within is kept as a whole, or not at all."""
        self.begin()
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self.commit()

    @contextlib.contextmanager
    def still(self) -> Iterator[sqlite3.Connection]:
        """For reading: all that is read within is of one moment, whatever a run writes meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield self._db
        finally:
            self._db.execute("ROLLBACK")
