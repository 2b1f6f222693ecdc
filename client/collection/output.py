"""The answers as a file: Parquet, CSV or JSON Lines, a row for every file of the collection, once.

Written anew from the ledger under another name, and moved into place when it is whole: who reads it
never meets half a file, and what was there stays until then.
"""

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from client.collection import whole
from client.collection.records import Row, shown
from client.errors import ClientError

ROWS_AT_ONCE: Final = 5_000  # of a Parquet row group
# A spreadsheet takes a text that begins so for a formula (OWASP, "CSV Injection").
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Record = dict[str, str | int | float | None]
Write = Callable[[Record], object]
Extra = Callable[[Row], Mapping[str, str | float | None]]


class OutputError(ClientError):
    """The file cannot be written, or its kind is unknown; the message says what to do."""


def columns(top_k: int, extra: tuple[str, ...] = ()) -> list[str]:
    """The names of an output's columns, in order."""
    ranks = [
        f"{name}_{rank}"
        for rank in range(1, top_k + 1)
        for name in ("label", "wnid", "score")
    ]
    return [
        *("path", "status", "reason", *extra, *ranks, "bytes", "digest"),
        *("duplicate_of", "model", "model_digest", "ms"),
    ]


def check(out: Path) -> None:
    """Raises OutputError where an output of this name cannot be written."""
    if out.suffix.lower() not in WRITERS:
        raise OutputError(
            f"{out.name} ends in none of {', '.join(WRITERS)}: that says what kind of file to write"
        )
    if out.is_dir():
        raise OutputError(f"{out} is a folder; choose another name")
    if not out.parent.is_dir():
        raise OutputError(f"there is no folder {out.parent}; make it first")
    if not os.access(out.parent, os.W_OK):
        raise OutputError(f"the folder {out.parent} cannot be written to")


def write(
    out: Path,
    rows: Iterator[Row],
    top_k: int,
    extra: tuple[tuple[str, ...], Extra] | None = None,
) -> int:
    """Writes an output.

    Args:
        out: its ending says of what kind.
        rows: of the ledger, all of them.
        top_k: how many predictions a row has room for.
        extra: columns beside, and what makes them of a row.

    Returns:
        How many rows were written.

    Raises:
        OutputError: it cannot be written; what was there is as it was.
    """
    check(out)
    names, more = extra or ((), lambda row: {})
    written = 0
    write_to = WRITERS[out.suffix.lower()]
    try:
        with whole.beside(out) as file, write_to(file, columns(top_k, names)) as add:
            for row in rows:
                add({**record(row, top_k), **more(row)})
                written += 1
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written: {error.strerror or error}"
        ) from error
    return written


def record(row: Row, top_k: int) -> Record:
    """A row by the names of the columns; what a row does not have is None."""
    made: Record = {
        "path": row.shown,
        "status": row.status,
        "reason": row.reason or None,
        "bytes": row.size,
    }
    content = row.content
    if content is None:
        return made
    made |= {
        "bytes": content.size,
        "digest": content.digest.hex(),
        "duplicate_of": shown(row.duplicate_of) if row.duplicate_of else None,
        "model": content.model,
        "model_digest": content.model_digest,
        "ms": content.ms,
    }
    for rank, one in enumerate(content.predictions[:top_k], start=1):
        made |= {
            f"label_{rank}": one.label,
            f"wnid_{rank}": one.wnid,
            f"score_{rank}": round(one.score, 6),
        }
    return made


@contextmanager
def _csv(path: Path, names: list[str]) -> Iterator[Write]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        yield lambda made: writer.writerow([_harmless(made.get(k)) for k in names])


def _harmless(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


@contextmanager
def _lines(path: Path, names: list[str]) -> Iterator[Write]:
    empty = dict.fromkeys(names)
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        yield lambda made: file.write(encode(empty | made) + b"\n")


@contextmanager
def _parquet(path: Path, names: list[str]) -> Iterator[Write]:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, _type(name)) for name in names])
    rows: list[Record] = []

    def flush() -> None:
        writer.write_table(pa.Table.from_pylist(rows, schema))
        rows.clear()

    def add(made: Record) -> None:
        rows.append(made)
        if len(rows) >= ROWS_AT_ONCE:
            flush()

    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        yield add
        if rows:
            flush()


def _type(name: str) -> Any:
    import pyarrow as pa

    if name == "bytes":
        return pa.int64()
    if name == "ms" or name.startswith(("score_", "category_score")):
        return pa.float64()
    return pa.string()


Writer = Callable[[Path, list[str]], AbstractContextManager[Write]]
WRITERS: Final[Mapping[str, Writer]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _lines,
}
