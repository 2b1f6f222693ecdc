"""What a report asks of a ledger: counts by SQL, so that a million rows take seconds and little memory.

A file that was classified has the same answer as all others with its bytes, its content's. Queries are
put together from constants alone.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from client.collection.records import Row
from client.collection.schema import DONE, FAILED, LEFT, ROWS, row_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BINS: Final = 20  # of a probability
AT_ONCE: Final = 10_000  # rows taken from SQLite at once

# How many files a content has, for those that have more than one.
COPIES: Final = """
SELECT content, count(*) AS n FROM files WHERE content IS NOT NULL GROUP BY content HAVING n > 1
"""


class Totals(msgspec.Struct, frozen=True):
    """The collection as a whole.

    Attributes:
        bytes: of all files.
        contents: pictures that differ.
        duplicates: files with the bytes of another.
        spare_bytes: what these take.
        models: by name, those that have answered.
    """

    files: int
    done: int
    failed: int
    left: int
    bytes: int
    contents: int
    duplicates: int
    spare_bytes: int
    models: tuple[str, ...]


class Category(msgspec.Struct):
    """The files with the same most probable label.

    Attributes:
        scores: the sum of their probabilities.
        bins: how many there are in each BINS-th part of a probability.
    """

    label: str
    files: int = 0
    scores: float = 0.0
    bins: list[int] = msgspec.field(default_factory=lambda: [0] * BINS)

    @property
    def mean(self) -> float:
        """Of the probabilities."""
        return self.scores / self.files


class Copies(msgspec.Struct, frozen=True):
    """Files with the same bytes: how many, the first, and some of the others."""

    files: int
    first: Row
    others: tuple[bytes, ...]


class Failures(msgspec.Struct, frozen=True):
    """Files that failed for the same reason: how many, and some of them."""

    code: str
    reason: str
    files: int
    examples: tuple[bytes, ...]


def totals(db: sqlite3.Connection) -> Totals:
    """What there is in all."""
    counts = {LEFT: 0, DONE: 0, FAILED: 0}
    size = 0
    for status, files, held in db.execute(
        "SELECT status, count(*), sum(size) FROM files GROUP BY status"
    ):
        counts[status] = files
        size += held
    spare = db.execute(
        f"SELECT sum(n - 1), sum((n - 1) * c.size) FROM ({COPIES}) JOIN contents c ON c.id = content"  # noqa: S608
    ).fetchone()
    models = db.execute("SELECT DISTINCT model FROM contents ORDER BY model")
    return Totals(
        *(sum(counts.values()), counts[DONE], counts[FAILED], counts[LEFT], size),
        *(counts[DONE] - (spare[0] or 0), spare[0] or 0, spare[1] or 0),
        tuple(name for (name,) in models),
    )


def categories(db: sqlite3.Connection) -> list[Category]:
    """All categories that files are in, those with most files first."""
    found: dict[str, Category] = {}
    part = f"min(CAST(score * {BINS} AS INTEGER), {BINS - 1})"
    once = f"SELECT label, {part}, count(*), sum(score) FROM contents GROUP BY 1, 2"  # noqa: S608
    again = (
        f"SELECT label, {part}, sum(n - 1), sum(score * (n - 1))"  # noqa: S608
        f" FROM ({COPIES}) JOIN contents c ON c.id = content GROUP BY 1, 2"
    )
    for query in (once, again):
        for label, at, files, scores in db.execute(query):
            category = found.setdefault(label, Category(label))
            category.files += files
            category.scores += scores
            category.bins[at] += files
    return sorted(found.values(), key=lambda one: (-one.files, one.label))


def unsure(db: sqlite3.Connection, most: int) -> list[Row]:
    """The pictures with the least probable answers, the least probable first; of equal ones the first."""
    found = db.execute("SELECT first FROM contents ORDER BY score, id LIMIT ?", (most,))
    return rows_of(db, [number for (number,) in found])


def copies(db: sqlite3.Connection, most: int, shown: int) -> tuple[int, list[Copies]]:
    """How many groups of files with the same bytes there are, and the largest of them."""
    count = f"SELECT count(*) FROM ({COPIES})"  # noqa: S608
    (groups,) = db.execute(count).fetchone()
    largest = db.execute(f"{COPIES} ORDER BY n DESC, content LIMIT ?", (most,))
    return groups, [
        _copies(db, place, files, shown) for place, files in largest.fetchall()
    ]


def _copies(db: sqlite3.Connection, place: int, files: int, shown: int) -> Copies:
    (first,) = rows(db, "WHERE f.id = (SELECT first FROM contents WHERE id = ?)", place)
    others = db.execute(
        "SELECT path FROM files WHERE content = ? AND id != ? ORDER BY id LIMIT ?",
        (place, first.number, shown),
    )
    return Copies(files, first, tuple(path for (path,) in others))


def failures(
    db: sqlite3.Connection, most: int, shown: int
) -> tuple[int, list[Failures]]:
    """How many reasons there are, and those with most files."""
    (reasons,) = db.execute(
        "SELECT count(*) FROM (SELECT DISTINCT code, reason FROM files WHERE status = ?)",
        (FAILED,),
    ).fetchone()
    found = db.execute(
        "SELECT code, reason, count(*) FROM files WHERE status = ?"
        " GROUP BY code, reason ORDER BY 3 DESC, code, reason LIMIT ?",
        (FAILED, most),
    ).fetchall()
    examples = _failed(db, [(code, reason) for code, reason, _ in found], shown)
    return reasons, [
        Failures(code, reason, files, tuple(examples[code, reason]))
        for code, reason, files in found
    ]


def _failed(
    db: sqlite3.Connection, reasons: Sequence[tuple[str, str]], shown: int
) -> dict[tuple[str, str], list[bytes]]:
    """The first files that failed for each of these reasons, in one pass over all that failed."""
    made: dict[tuple[str, str], list[bytes]] = {one: [] for one in reasons}
    missing = len(made)
    failed = db.execute(
        "SELECT code, reason, path FROM files WHERE status = ? ORDER BY id", (FAILED,)
    )
    for code, reason, path in failed:
        examples = made.get((code, reason))
        if examples is not None and len(examples) < shown:
            examples.append(path)
            missing -= len(examples) == shown
            if not missing:
                break
    return made


def hashes(db: sqlite3.Connection) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Perceptual hashes, and the number of the first file of each content that has one."""
    import numpy as np

    answer = db.execute(
        "SELECT first, looks FROM contents WHERE looks IS NOT NULL ORDER BY id"
    )
    parts = [np.empty((0, 2), np.int64)]
    while some := answer.fetchmany(AT_ONCE):
        parts.append(np.array(some, np.int64))
    whole = np.concatenate(parts)
    return whole[:, 0], whole[:, 1]


def rows_of(db: sqlite3.Connection, numbers: Sequence[int]) -> list[Row]:
    """The files with these numbers, in this order."""
    marks = ", ".join("?" * len(numbers))
    found = {row.number: row for row in rows(db, f"WHERE f.id IN ({marks})", *numbers)}
    return [found[number] for number in numbers]


def rows(db: sqlite3.Connection, where: str, *given: object) -> Iterator[Row]:
    """Files, as a ledger reads them."""
    return map(row_of, db.execute(f"{ROWS} {where}", given))
