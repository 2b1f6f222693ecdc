"""One file put into its place, and what is to be done after a crash in between."""

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from client.collection import moves
from client.collection.places import FOLDER, Mark, Place, Places, Sorting, Way
from client.collection.reading import Reader
from client.collection.records import Row, apart
from client.errors import Unreadable

GONE: Final = "It is not there any more."
CHANGED: Final = "It has changed since it was classified; classify it again."
IN_ARCHIVE: Final = "It is an entry of an archive; sort by copy, or unpack the archive."
IS_LINK: Final = (
    "It is a symbolic link; name the file itself, or sort by link or symlink."
)
FAR: Final = "It lies on another file system; sort by symlink, copy or move."
LINKED: Final = (
    "It has several names (hard links), which would be parted on another file system; sort by copy."
)
# Not this file's fault: the next one will fare no better.
HOPELESS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


class Unfit(Unreadable):
    """The file is not put anywhere; the message says why."""


def mark(row: Row, way: Way, reader: Reader, *, thoroughly: bool) -> Mark:
    """By what the file will be known again, which is still as it was classified.

    Args:
        row: of a file that is done.
        way: how it will be put into its place.
        reader: for its bytes.
        thoroughly: look at its bytes even where size and time are as they were.

    Raises:
        Unfit: it has changed, is gone, or cannot be put anywhere in this way.
    """
    assert row.content is not None
    path, entry = apart(row.path)
    if entry and way != Way.COPY:
        raise Unfit(IN_ARCHIVE)
    try:
        named = moves.look(path)
        held = named and os.stat(path)
    except OSError:
        held = None
    if named is None or held is None:
        raise Unfit(GONE)
    if way == Way.MOVE and not moves.is_file(named):
        raise Unfit(IS_LINK)
    same = held.st_mtime_ns == row.mtime_ns and (entry or held.st_size == row.size)
    if not same or (thoroughly and way == Way.MOVE):
        checked(row, reader)
    inode = 0 if way == Way.COPY else held.st_ino  # a copy's own comes with it
    return Mark(inode, held.st_size, held.st_mtime_ns, 0, row.content.digest)


def checked(row: Row, reader: Reader) -> bytes:
    """A file's bytes, which are those that were classified; raises Unfit."""
    assert row.content is not None
    try:
        data = reader.read(row.path)
    except Unreadable as error:
        raise Unfit(str(error)) from error
    if hashlib.sha256(data).digest() != row.content.digest:
        raise Unfit(CHANGED)
    return data


def stage(place: Place, part: bytes, data: bytes) -> Place:
    """Writes a copy beside its place, under a name of its own; raises OSError."""
    path, entry = apart(place.source)
    made = moves.write_new(part, data, None if entry else path)
    mark = Mark(
        *(made.st_ino, made.st_size, made.st_mtime_ns, 0),
        place.mark.digest,
    )
    return replace(place, mark=mark)


def put(place: Place, part: bytes) -> Place:
    """Puts a file into its place; for a copy `stage` has been called.

    Raises:
        FileExistsError: the name is taken by now.
        OSError: with EXDEV where it lies on another file system.
    """
    if place.way == Way.SYMLINK:
        os.symlink(place.source, place.target)
    elif place.way == Way.LINK:
        os.link(os.path.realpath(place.source), place.target, follow_symlinks=False)
    elif place.way == Way.MOVE:
        moves.rename_new(place.source, place.target)
    else:
        moves.rename_new(part, place.target)
        status = os.lstat(place.target)
        place = replace(place, mark=replace(place.mark, ctime_ns=status.st_ctime_ns))
    return replace(place, state="made")


def move_far(places: Places, place: Place, part: bytes) -> Place:
    """Moves a file to another file system: a whole copy is there before the original goes."""
    if os.lstat(place.source).st_nlink > 1:
        raise Unfit(LINKED)
    data = Path(os.fsdecode(place.source)).read_bytes()
    if hashlib.sha256(data).digest() != place.mark.digest:
        raise Unfit(CHANGED)
    place = stage(place, part, data)
    places.update(place)
    places.commit()
    moves.rename_new(part, place.target)
    moves.keep(os.path.dirname(place.target))
    os.unlink(place.source)
    return replace(place, state="made")


def settle(places: Places, sorting: Sorting) -> None:
    """What a crash has left half done is done or taken back; committed.

    Raises:
        OSError: it cannot be.
    """
    for place in places.unsettled():
        if place.way == FOLDER:
            done = os.path.isdir(place.target)
        elif place.state == "leaving":
            moves.remove(sorting.part(os.path.dirname(place.source), place.number))
            _stay(place)
            done = True
        else:
            moves.remove(sorting.part(os.path.dirname(place.target), place.number))
            done = _is_ours(place) and not _half_moved(place)
        if done:
            places.update(replace(place, state="made"))
        else:
            places.drop(place)
    places.commit()


def _is_ours(place: Place) -> bool:
    there = moves.look(place.target)
    if there is None:
        return False
    if place.way == Way.SYMLINK:
        return leads_to(there, place)
    return moves.is_file(there) and there.st_ino == place.mark.inode


def _half_moved(place: Place) -> bool:
    """Whether the original is there as well; then its second name is taken away."""
    if place.way != Way.MOVE or not (
        moves.are_two_names(place.source, place.target)
        or moves.holds_the_same(place.source, place.target)
    ):
        return False  # or there is a new file, with the old one's name
    moves.remove(place.target)
    return True


def _stay(place: Place) -> None:
    """A file was on its way back: its place is where it is as long as it is there."""
    if moves.are_two_names(place.source, place.target) or (
        moves.holds_the_same(place.source, place.target)
    ):
        moves.remove(place.source)


def leads_to(there: os.stat_result, place: Place) -> bool:
    """Whether it is the symbolic link that was made."""
    return stat.S_ISLNK(there.st_mode) and os.readlink(place.target) == place.source
