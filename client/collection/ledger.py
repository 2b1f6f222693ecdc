"""What is known of a collection's files, in one SQLite file beside the output.

Whatever ends a run, the next one goes on from here: a file is ``left`` until its end has been
committed (`client.collection.database`).
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final, TypeVar

import msgspec

from client.collection.database import Database, LedgerError
from client.collection.records import STATUSES, Content, Found, Row, Status
from client.collection.schema import DONE, FAILED, KEEP, LEFT, ROWS, kept, pack, row_of

__all__ = ["Ledger", "LedgerError"]
AT_ONCE: Final = 500  # rows read at once, so that memory stays flat
Noted = TypeVar("Noted")


class Ledger(Database):
    """A ledger, open."""

    def found(self, files: Iterable[Found]) -> tuple[int, int]:
        """Takes in files of the collection: new ones, and those that have changed, are left to do.

        Returns:
            How many are left to do of these, and how many were done already.
        """
        left = done = 0
        for file in files:
            known = self._db.execute(
                "SELECT id, size, mtime_ns, code = 'refused-entry', status FROM files WHERE path = ?",
                (file.path,),
            ).fetchone()
            status = FAILED if file.refused else LEFT
            code = "refused-entry" if file.refused else ""
            if known is None:
                self._db.execute(
                    "INSERT INTO files (path, size, mtime_ns, status, code, reason)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        *(file.path, file.size, file.mtime_ns),
                        status,
                        code,
                        file.refused,
                    ),
                )
            elif (file.size, file.mtime_ns, bool(file.refused)) != known[1:4]:
                self._forget(known[0])
                self._db.execute(
                    "UPDATE files SET size = ?, mtime_ns = ?, status = ?, code = ?, reason = ?"
                    " WHERE id = ?",
                    (*(file.size, file.mtime_ns), status, code, file.refused, known[0]),
                )
            else:
                status = known[4]
            left += status == LEFT
            done += status == DONE
        return left, done

    def _forget(self, number: int) -> None:
        """A file has other bytes now: of those that had the same as before, another is the first."""
        held = self._db.execute(
            "SELECT content FROM files WHERE id = ?", (number,)
        ).fetchone()
        self._db.execute("UPDATE files SET content = NULL WHERE id = ?", (number,))
        if held[0] is None:
            return
        (heir,) = self._db.execute(
            "SELECT min(id) FROM files WHERE content = ?", held
        ).fetchone()
        if heir is None:
            self._db.execute("DELETE FROM contents WHERE id = ?", held)
        else:
            self._db.execute(
                "UPDATE contents SET first = ? WHERE id = ? AND first = ?",
                (heir, *held, number),
            )

    def retry_failed(self) -> int:
        """Files that failed are left to do again, but for those refused; how many.

        Names behind which there was nothing that could be read, not even an archive's list, are
        forgotten: those that are given again are looked for again.
        """
        self._db.execute(
            "DELETE FROM files WHERE code = 'refused-entry' AND size = 0 AND mtime_ns = 0"
        )
        return self._db.execute(
            "UPDATE files SET status = ?, code = '', reason = ''"
            " WHERE status = ? AND code != 'refused-entry'",
            (LEFT, FAILED),
        ).rowcount

    def redo(self, models: Collection[str]) -> int:
        """Files with answers of other models than these, by digest, are left to do again; how many."""
        others = f"WHERE model_digest NOT IN ({', '.join('?' * len(models))})"
        these = f"SELECT id FROM contents {others}"  # noqa: S608
        count = self._db.execute(
            f"UPDATE files SET status = ?, content = NULL WHERE content IN ({these})",  # noqa: S608
            (LEFT, *models),
        ).rowcount
        self._db.execute(f"DELETE FROM contents {others}", (*models,))  # noqa: S608
        return count

    def known(self, digest: bytes, model_digest: str) -> int | None:
        """The content with this digest that this model has classified, or None."""
        row = self._db.execute(
            "SELECT id FROM contents WHERE digest = ? AND (model_digest = ? OR ? = '')",
            (digest, model_digest, model_digest),
        ).fetchone()
        return None if row is None else int(row[0])

    def done(self, number: int, content: Content | int) -> int:
        """A file has been classified: by this content, new or known; the content's place."""
        if isinstance(content, Content):
            (place,) = self._db.execute(KEEP, kept(content, number)).fetchone()
        else:
            place = content
        self._db.execute(
            "UPDATE files SET status = ?, code = '', reason = '', content = ? WHERE id = ?",
            (DONE, place, number),
        )
        return int(place)

    def failed(self, number: int, code: str, reason: str) -> None:
        """A file has been given up on."""
        self._forget(number)
        self._db.execute(
            "UPDATE files SET status = ?, code = ?, reason = ? WHERE id = ?",
            (FAILED, code, reason, number),
        )

    def counts(self) -> dict[Status, int]:
        """How many files there are of each status."""
        found = dict(
            self._db.execute("SELECT status, count(*) FROM files GROUP BY status")
        )
        return {name: found.get(place, 0) for place, name in enumerate(STATUSES)}

    def duplicates(self) -> int:
        """How many files have the bytes of another."""
        (count,) = self._db.execute(
            "SELECT (SELECT count(*) FROM files WHERE content IS NOT NULL)"
            " - (SELECT count(*) FROM contents)"
        ).fetchone()
        return int(count)

    def left(self, after: int, most: int) -> list[Row]:
        """The next files to do, those with a larger number than `after`."""
        return [
            row_of(row)
            for row in self._db.execute(
                f"{ROWS} WHERE f.status = ? AND f.id > ? ORDER BY f.id LIMIT ?",
                (LEFT, after, most),
            )
        ]

    def rows(self, status: Status | None = None) -> Iterator[Row]:
        """All files in the order they were found, or those of a status; may be written meanwhile."""
        after = 0
        where, given = (
            ("f.status = ? AND", (STATUSES.index(status),)) if status else ("", ())
        )
        while rows := self._db.execute(
            f"{ROWS} WHERE {where} f.id > ? ORDER BY f.id LIMIT ?",
            (*given, after, AT_ONCE),
        ).fetchall():
            yield from map(row_of, rows)
            after = rows[-1][0]

    def note(self, name: str, value: object) -> None:
        """Remembers something about the collection, such as what it was sorted into."""
        self._db.execute(
            "INSERT INTO notes VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, pack(value)),
        )

    def noted(self, name: str, kind: type[Noted]) -> Noted | None:
        """What was remembered under this name."""
        row = self._db.execute(
            "SELECT value FROM notes WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=kind)
