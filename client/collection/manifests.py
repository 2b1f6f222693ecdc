"""Lists of files: text, CSV, TSV or Parquet, with paths or ``file://`` addresses of this machine."""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from client.errors import ClientError

COLUMNS: Final = ("path", "file", "filename", "file_name", "image", "url", "uri")
HERE: Final = ("", "localhost")


class ManifestError(ClientError):
    """A manifest cannot be read; the message says why."""


def names(manifest: Path) -> Iterator[str]:
    """The names in a manifest, in order; relative ones are taken from the manifest's own folder.

    Raises:
        ManifestError: it is not there, or not what its ending says.
    """
    reader = {".csv": _csv, ".tsv": _csv, ".parquet": _parquet}.get(
        manifest.suffix.lower(), _lines
    )
    try:
        for name in reader(manifest):
            if name := local(name.strip()):
                yield str(manifest.parent / name)
    except (OSError, ValueError, csv.Error) as error:
        raise ManifestError(f"{manifest} cannot be read: {error}") from error


def local(name: str) -> str:
    """A path, from a path or a ``file://`` address (RFC 8089); raises ManifestError for any other.

    What lies elsewhere is not fetched: a list must not make this machine ask others for addresses.
    """
    if "://" not in name:
        return name
    address = urlsplit(name)
    if address.scheme.lower() != "file" or address.netloc.lower() not in HERE:
        raise ManifestError(f"{name} is not on this machine; download it first")
    return unquote(address.path)


def _lines(manifest: Path) -> Iterator[str]:
    with manifest.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for line in file:
            if not line.startswith("#"):
                yield line.rstrip("\r\n")


def _csv(manifest: Path) -> Iterator[str]:
    csv.field_size_limit(min(sys.maxsize, 1 << 20))
    with manifest.open(
        encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as file:
        head = file.readline()
        file.seek(0)
        rows = csv.reader(file, delimiter="\t" if "\t" in head else ",")
        first = next(rows, [])
        column = _column(first)
        if column is None:  # no heading: the first column, from the first row on
            column = 0
            yield from first[:1]
        yield from (row[column] for row in rows if len(row) > column)


def _column(heading: Sequence[str]) -> int | None:
    names = [one.strip().lower() for one in heading]
    return next((names.index(one) for one in COLUMNS if one in names), None)


def _parquet(manifest: Path) -> Iterable[str]:
    from pyarrow import parquet

    file = parquet.ParquetFile(manifest)
    heading = file.schema_arrow.names
    column = _column(heading)
    if column is None:
        raise ManifestError(f"{manifest} has none of the columns {', '.join(COLUMNS)}")
    for batch in file.iter_batches(columns=[heading[column]]):
        yield from (str(one) for one in batch.column(0).to_pylist() if one)
