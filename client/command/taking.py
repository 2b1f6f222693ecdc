"""What the command line names is taken into the ledger."""

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from client.collection.ledger import Ledger
from client.collection.manifests import names
from client.collection.places import Places
from client.collection.records import Found
from client.collection.sources import MISSING, Sources
from client.command.summary import Summary

FOUND_AT_ONCE: Final = 1000  # files, between two commits
BETWEEN: Final = (b"\0", b"\r\n", b"\n")  # names on standard input
PIECE_BYTES: Final = 64 * 1024  # of standard input; longer than any name


def take(
    ledger: Ledger,
    places: Places,
    paths: Sequence[str],
    manifests: Sequence[Path],
    summary: Summary,
) -> None:
    """Takes the files in, so many at a time.

    What 'pictor sort' has put somewhere is no other file, and what it has moved away is not missing.
    """
    sources = Sources()
    found = sources.find(itertools.chain(_named(paths), _listed(manifests)))
    is_sorted = places.count() > 0
    while chunk := list(itertools.islice(found, FOUND_AT_ONCE)):
        moved = 0
        if is_sorted:
            known = len(chunk)
            chunk = [one for one in chunk if not places.is_target(one.path)]
            summary.put += known - len(chunk)
            here = [one for one in chunk if not _is_moved(places, one)]
            moved, chunk = len(chunk) - len(here), here
        with ledger.together():
            _, done = ledger.found(chunk)
        summary.files += len(chunk) + moved
        summary.found_done += done + moved
    summary.skipped = sources.skipped


def _is_moved(places: Places, file: Found) -> bool:
    return file.refused == MISSING and places.is_moved(file.path)


def _named(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if path == "-":
            yield from _standard_input()
        else:
            yield path


def _listed(manifests: Sequence[Path]) -> Iterator[str]:
    for manifest in manifests:
        yield from names(manifest)


def _standard_input() -> Iterable[str]:
    """Names, a line each, or with zero bytes between (``find -print0``); never all at once."""
    rest = between = b""
    while piece := sys.stdin.buffer.read(PIECE_BYTES):
        between = between or next(one for one in BETWEEN if one in piece + b"\n")
        *ended, rest = (rest + piece).split(between)
        yield from map(os.fsdecode, filter(None, ended))
    if rest:
        yield os.fsdecode(rest)
