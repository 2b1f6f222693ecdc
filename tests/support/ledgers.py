"""Ledgers with generated rows, made faster than a run would make them."""

import hashlib
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from client.answers import Prediction
from client.collection import schema
from client.collection.ledger import Ledger
from client.collection.records import Content

EQUAL = 25  # every so many files have the bytes of the one before
FAILED = 100  # every so many have failed
LABELS = 300
TOP_K = 5
FOLDER = 500  # files of one


def generated(
    path: Path,
    files: int,
    top: str = "/photos",
    size: int = 100_000,
    mtime_ns: int = 1,
) -> None:
    """Writes a ledger of so many files: some equal, some failed, some alike, the last one left.

    Args:
        path: of the ledger.
        files: how many.
        top: the folder that they are in (`name_of`).
        size: of each, bytes.
        mtime_ns: of each.
    """
    with Ledger(path):
        pass
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.executemany(schema.KEEP.partition("RETURNING")[0], _contents(files))
        places = dict(db.execute("SELECT first, id FROM contents"))
        db.executemany(
            "INSERT INTO files (id, path, size, mtime_ns, status, code, reason, content)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (number, f"{top}/{name}".encode(), size, mtime_ns, *rest)
                for number, name, *rest in _files(files, places)
            ),
        )
    db.close()


def name_of(number: int) -> str:
    """Where a file lies, below the folder of all."""
    return f"album {number // FOLDER}/IMG_{number:07}.jpg"


def first_of(number: int) -> int:
    """The file whose bytes a file has."""
    return number - 1 if number % EQUAL == 0 else number


def status_of(number: int, files: int) -> int:
    """As the ledger has it."""
    if number == files:
        return schema.LEFT
    return schema.FAILED if first_of(number) % FAILED == 1 else schema.DONE


def _contents(files: int) -> Iterator[tuple[Any, ...]]:
    made = random.Random(1)
    for number in range(1, files + 1):
        if first_of(number) == number and status_of(number, files) == schema.DONE:
            yield schema.kept(content(made, number), number)


def content(made: random.Random, number: int) -> Content:
    """What was found out about the bytes of a file."""
    score = made.betavariate(2, 1)
    names = made.sample(range(LABELS), TOP_K)
    parts = (score, *((1 - score) / 2**rank for rank in range(1, TOP_K)))
    predictions = tuple(
        Prediction(f"n{name:08}", f"label_{name}", f"label {name}", part)
        for name, part in zip(names, parts, strict=True)
    )
    looks = 2**62 + number % 150 if number % 50 == 7 else made.getrandbits(63)
    digest = hashlib.sha256(number.to_bytes(8, "big")).digest()
    return Content(digest, 100_000, predictions, "network", "f" * 32, 10.0, looks)


def _files(files: int, places: dict[int, int]) -> Iterator[tuple[Any, ...]]:
    for number in range(1, files + 1):
        status = status_of(number, files)
        code, reason = "", ""
        if status == schema.FAILED:
            code, reason = "broken-image", f"The picture is damaged ({number % 3})."
        held = places[first_of(number)] if status == schema.DONE else None
        yield number, name_of(number), status, code, reason, held
