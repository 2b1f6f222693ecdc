"""Sorting undone from the journal: files go back to where they were, links and copies go."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from client.collection import moves, placing
from client.collection.places import Place, Places, Sorting, Way
from client.collection.records import apart
from client.collection.sorting_tally import Undone

AT_ONCE: Final = 100  # files between two commits
FOREIGN: Final = "What is there now is not what was put there; it is left alone."
LAST: Final = "Its original is gone, so what was put there is the last of it and stays."
TAKEN: Final = "Another file has its old name now; make room for it."
LOST: Final = "It is neither in its place nor where it was."
Stop = Callable[[], bool]


def undo(ledger: Path, *, apply: bool = True, stop: Stop = lambda: False) -> Undone:
    """Takes everything back that was sorted, the last first; what cannot be stays in the journal.

    The caller holds the lock of the output.

    Args:
        ledger: of a collection, which is there.
        apply: do it; otherwise nothing is touched, and what would be tried is counted.
        stop: asked now and then; true: end in order.

    Raises:
        LedgerError: the ledger cannot be used.
        OSError: what a crash has left half done cannot be settled.
    """
    tally = Undone()
    with Places(ledger) as places:
        sorting = places.sorting()
        if sorting is None:
            return tally
        if not apply:
            tally.back = places.count()
            return tally
        placing.settle(places, sorting)
        for number, place in enumerate(places.backwards(folders=False), start=1):
            try:
                why = take_back(places, place, sorting)
            except OSError as error:
                why = f"It cannot be taken back: {error.strerror or error}."
            if why:
                tally.keep(place.target, why)
            else:
                places.drop(place)
                tally.back += 1
            if number % AT_ONCE == 0:
                places.commit()
                if stop():
                    tally.stopped = True
                    break
        places.commit()
        if not tally.stopped:
            tally.folders, tally.folders_kept = sweep(places)
    return tally


def sweep(places: Places) -> tuple[int, list[bytes]]:
    """Removes folders that sorting has made: how many; those that stay, as they are not empty."""
    gone, kept = 0, []
    for place in places.backwards(folders=True):
        try:
            os.rmdir(place.target)
        except FileNotFoundError:
            places.drop(place)
        except OSError:
            kept.append(place.target)
        else:
            places.drop(place)
            gone += 1
    places.commit()
    return gone, kept


def take_back(places: Places, place: Place, sorting: Sorting) -> str:
    """Undoes a step; why it cannot be, or nothing. The journal is the caller's to write.

    Raises:
        OSError: it cannot be done now.
    """
    there = moves.look(place.target)
    if place.way == Way.MOVE:
        return _bring_back(places, place, sorting, there)
    if there is None:
        return ""
    if place.way == Way.SYMLINK:
        ours, original = placing.leads_to(there, place), True
    else:
        ours, original = _is_as_put(place, there), _has_original(place, there)
    if not ours:
        return FOREIGN
    if not original:
        return LAST
    os.unlink(place.target)
    return ""


def _is_as_put(place: Place, there: os.stat_result) -> bool:
    """Whether a link or a copy is still what was put there."""
    if not moves.is_file(there):
        return False
    mark = place.mark
    looks = (there.st_ino, there.st_size, there.st_mtime_ns)
    alike = looks == (mark.inode, mark.size, mark.mtime_ns)
    if place.way == Way.LINK:
        original = moves.look(os.path.realpath(place.source))
        same = original is not None and os.path.samestat(there, original)
        return same or alike
    untouched = alike and there.st_ctime_ns == mark.ctime_ns
    return untouched or moves.digest(place.target) == mark.digest


def _has_original(place: Place, there: os.stat_result) -> bool:
    """Whether the file is still there without the link or copy."""
    path = os.path.realpath(apart(place.source)[0])
    original = moves.look(path)
    if original is None or not moves.is_file(original):
        return False
    if not os.path.samestat(original, there):
        return True
    return place.way == Way.LINK and moves.are_two_names(path, place.target)


def _bring_back(
    places: Places, place: Place, sorting: Sorting, there: os.stat_result | None
) -> str:
    """Moves a file back to where it was."""
    here = moves.look(place.source)
    if there is None:
        return "" if here else LOST
    if not moves.is_file(there):
        return FOREIGN
    if here is not None:
        if moves.are_two_names(place.source, place.target) or (
            moves.holds_the_same(place.source, place.target)
        ):
            os.unlink(place.target)
            return ""
        return TAKEN
    if there.st_ino != place.mark.inode and (
        moves.digest(place.target) != place.mark.digest
    ):
        return FOREIGN
    folder = os.path.dirname(place.source)
    os.makedirs(folder, exist_ok=True)
    try:
        moves.rename_at_once(place.target, place.source)
    except OSError as error:
        if error.errno != errno.EXDEV and error.errno not in moves.CANNOT:
            raise
        places.update(replace(place, state="leaving"))
        places.commit()
        if error.errno == errno.EXDEV:
            _bring_back_far(place, sorting.part(folder, place.number))
        else:
            moves.rename_new(place.target, place.source)
    return ""


def _bring_back_far(place: Place, part: bytes) -> None:
    """From another file system: a whole copy is there before the file goes."""
    moves.write_new(part, Path(os.fsdecode(place.target)).read_bytes(), place.target)
    moves.rename_new(part, place.source)
    moves.keep(os.path.dirname(place.source))
    os.unlink(place.target)
