"""Classified files put into a folder for each category, so that it can be undone.

Many files at a time: what is about to be done is written to the journal, then done, then written
again. However it ends in between, the next `sort_done` or `undo` settles what was left half done.
"""

import contextlib
import os
import secrets
import sqlite3
from pathlib import Path

from msgspec.structs import replace

from client.collection import placing
from client.collection.ledger import Ledger, LedgerError
from client.collection.places import Places, Sorting
from client.collection.reading import Reader
from client.collection.records import shown
from client.collection.sorter import Sorter, Wish
from client.collection.sorting_tally import Sorted
from client.collection.undoing import Stop
from client.errors import ClientError


class SortingError(ClientError):
    """It cannot be sorted, or not go on; the message says what to do."""


def sort_done(
    ledger: Path, wish: Wish, *, apply: bool, stop: Stop = lambda: False
) -> Sorted:
    """Puts all files that are done into their places.

    The caller holds the lock of the output where this is applied.

    Args:
        ledger: of a collection.
        wish: how.
        apply: do it; otherwise nothing is touched, and what would be done is told.
        stop: asked now and then; true: end in order.

    Raises:
        SortingError: it cannot go on; what was done is in the journal.
        LedgerError: the ledger cannot be used.
    """
    with (
        Ledger(ledger, new=False) as held,
        Places(ledger) as places,
        Reader() as reader,
    ):
        sorting = _about(places, wish)
        try:
            if apply:
                _ready(sorting.into)
                places.about(sorting)
                placing.settle(places, sorting)
            sorter = Sorter(held, places, reader, sorting, wish, apply=apply)
            return sorter.go(stop)
        except (OSError, sqlite3.Error) as error:
            if apply:
                _tidy(places, sorting)
            raise SortingError(
                f"sorting stops: {_told(error)}. What was done is kept: the same command goes on from"
                " here, and 'pictor undo' takes it back"
            ) from error


def check(ledger: Path, wish: Wish, *, apply: bool) -> None:
    """Raises SortingError where `sort_done` would not begin; the ledger is there."""
    with Places(ledger) as places:
        sorting = _about(places, wish)
    if apply:
        _ready(sorting.into)


def _told(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, sqlite3.Error):
        return f"the temporary list of names cannot be kept ({error})"
    where = f"{shown(os.fsencode(error.filename))}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _tidy(places: Places, sorting: Sorting) -> None:
    """Takes away what is half done, as far as that can be; the next call does the rest."""
    with contextlib.suppress(
        OSError, LedgerError
    ):  # the first error is the one to tell
        placing.settle(places, sorting)


def _about(places: Places, wish: Wish) -> Sorting:
    """What this sorting is; raises SortingError where another is in force."""
    into = os.path.abspath(os.fsencode(wish.into))
    before = places.sorting()
    if before is None:
        return Sorting(into, wish.way, secrets.token_hex(4))
    if places.count() and (before.into, before.way) != (into, wish.way):
        raise SortingError(
            f"it is sorted into {shown(before.into)} by {before.way} already; take that back"
            " with 'pictor undo' first"
        )
    return replace(before, into=into, way=wish.way)


def _ready(into: bytes) -> None:
    """Raises SortingError where nothing can be put into the folder."""
    if os.path.lexists(into) and not os.path.isdir(into):
        raise SortingError(f"{shown(into)} is a file; name a folder")
    if os.path.isdir(into) and not os.access(into, os.W_OK | os.X_OK):
        raise SortingError(f"the folder {shown(into)} cannot be written to")
