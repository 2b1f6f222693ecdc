"""A company's own categories for the model's labels, from a file.

CSV: ``label,category``, a line each; with a header, columns of these names (``wnid`` for ``label``),
others passed by. JSON: ``{"label": "category"}``, or ``{"category": ["label", ...]}``, or both mixed.

A label may be written as the model spells it, with spaces and in any case; it may be a WordNet id, or
a pattern such as ``*terrier*``. An id goes before a label, a label before a pattern, an earlier
pattern before a later one. ``/`` in a category makes folders within folders.
"""

import csv
import glob
import io
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import msgspec

from client.answers import Prediction
from client.errors import ClientError

CATEGORY: Final = "category"
NAMES: Final = ("wnid", "label")


class TaxonomyError(ClientError):
    """The file is not to be read, or says something twice; the message says where."""


class Taxonomy:
    """Labels' categories."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Takes labels, WordNet ids or patterns, each with its category.

        Raises:
            TaxonomyError: a name has two categories, or none, or there are no names at all.
        """
        self._exact: dict[str, str] = {}
        self._patterns: dict[str, str] = {}
        self._known: dict[tuple[str, str], str | None] = {}
        for name, category in pairs:
            key, text = _spelt(name), category.strip()
            if not key or not text:
                raise TaxonomyError(f"'{name}' = '{category}': one of them is empty")
            where = self._patterns if glob.has_magic(key) else self._exact
            if where.setdefault(key, text) != text:
                raise TaxonomyError(
                    f"'{name}' has two categories: '{where[key]}' and '{text}'"
                )
        if not self._exact and not self._patterns:
            raise TaxonomyError("there is no label with a category in it")

    def categories(self) -> list[str]:
        """All of them, in the file's order."""
        return list(dict.fromkeys([*self._exact.values(), *self._patterns.values()]))

    def category(self, wnid: str, label: str) -> str | None:
        """Of a label; None: it is left out."""
        if (wnid, label) not in self._known:
            self._known[wnid, label] = self._find(_spelt(wnid), _spelt(label))
        return self._known[wnid, label]

    def _find(self, wnid: str, label: str) -> str | None:
        for name in (wnid, label):
            if name in self._exact:
                return self._exact[name]
        for pattern, category in self._patterns.items():
            if fnmatchcase(label, pattern) or fnmatchcase(wnid, pattern):
                return category
        return None

    def best(self, predictions: Sequence[Prediction]) -> tuple[str | None, float]:
        """A picture's category: that of its best label, and how probable it is.

        The probability is the sum over the predictions of this category: between two terriers the
        network may waver, and be sure that it is a dog. Of a label that is left out it is its own.
        """
        first = predictions[0]
        category = self.category(first.wnid, first.label)
        if category is None:
            return None, first.score
        return category, sum(
            one.score
            for one in predictions
            if self.category(one.wnid, one.label) == category
        )

    def unknown(self, labels: Iterable[tuple[str, str]]) -> list[str]:
        """The names of the file that none of these labels (WordNet id, label) has."""
        spelt = {_spelt(name) for pair in labels for name in pair}
        return [
            *(name for name in self._exact if name not in spelt),
            *(
                pattern
                for pattern in self._patterns
                if not any(fnmatchcase(name, pattern) for name in spelt)
            ),
        ]


def load(path: Path) -> Taxonomy:
    """Reads a taxonomy; its ending says of what kind.

    Raises:
        TaxonomyError: it cannot be read, or not be understood.
    """
    kinds = {".csv": _csv_pairs, ".json": _json_pairs}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise TaxonomyError(f"{path} is no taxonomy: it ends in neither .csv nor .json")
    try:
        return Taxonomy(kind(_text(path)))
    except TaxonomyError as error:
        raise TaxonomyError(f"{path}: {error}") from error


def labels(path: Path) -> list[tuple[str, str]]:
    """Reads a model's labels, as pairs of WordNet id and label: CSV, or a label a line."""
    try:
        rows = _table(_text(path))
    except TaxonomyError as error:
        raise TaxonomyError(f"{path}: {error}") from error
    header = _header(rows)
    if "label" not in header:
        return [("", row[0]) for row in rows]
    wnid = header.index("wnid") if "wnid" in header else None
    label = header.index("label")
    return [
        ("" if wnid is None else row[wnid], row[label])
        for row in rows[1:]
        if len(row) > max(label, wnid or 0)
    ]


def _spelt(name: str) -> str:
    """A name without what people write in different ways."""
    return "_".join(name.casefold().split())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TaxonomyError(f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TaxonomyError("it is not UTF-8; save it as such") from error


def _table(text: str) -> list[list[str]]:
    """The rows that are not empty, at least one."""
    first = text.partition("\n")[0]
    between = ";" if ";" in first and "," not in first else ","  # as Excel may have it
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=between))
    except csv.Error as error:
        raise TaxonomyError(str(error)) from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise TaxonomyError("it is empty")
    return rows


def _header(rows: list[list[str]]) -> list[str]:
    return [cell.strip().lower() for cell in rows[0]]


def _csv_pairs(text: str) -> Iterator[tuple[str, str]]:
    rows = _table(text)
    header = _header(rows)
    name, category = 0, 1
    if CATEGORY in header:
        category = header.index(CATEGORY)
        other = 0 if category else 1
        name = next((header.index(one) for one in NAMES if one in header), other)
    if CATEGORY in header or header[0] in NAMES:
        rows = rows[1:]
    for row in rows:
        if len(row) <= max(name, category):
            raise TaxonomyError(f"'{','.join(row)}' names no category")
        yield row[name], row[category]


def _json_pairs(text: str) -> Iterator[tuple[str, str]]:
    try:
        read = msgspec.json.decode(text, type=dict[str, str | list[str]])
    except msgspec.DecodeError as error:
        raise TaxonomyError(str(error)) from error
    for key, value in read.items():
        if isinstance(value, str):
            yield key, value
        else:
            yield from ((name, key) for name in value)
