import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client.collection import moves
from client.collection.places import Places, Way
from client.collection.sorter import Wish
from client.collection.sorting import sort_done
from client.collection.undoing import undo
from tests.support.sorted_files import (
    files_in,
    given_to,
    in_place,
    tree,
)

# No disk to wait for at each of some thousand commits.
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None


class Crash(BaseException):
    """Nothing that is caught on the way."""


CALLS = ("link", "unlink", "symlink", "mkdir", "rmdir", "open", "fsync", "utime")


@contextmanager
def crashing(at: int, *, renames: bool) -> Iterator[list[int]]:
    """The at-th thing that is done to the disk, or to the journal, is the last; odd: after it."""
    count = [0]

    def trap(call: Callable[..., object]) -> Callable[..., object]:
        def trapped(*given: object, **named: object) -> object:
            count[0] += 2
            if count[0] == at:
                raise Crash
            result = call(*given, **named)
            if count[0] == at + 1:
                raise Crash
            return result

        return trapped

    with pytest.MonkeyPatch.context() as patch:
        rename = moves._renameat2() if renames else None
        trapped = None if rename is None else trap(rename)
        patch.setattr(moves, "_renameat2", lambda: trapped)
        patch.setattr(Places, "commit", trap(Places.commit))
        for name in CALLS:
            patch.setattr(os, name, trap(getattr(os, name)))
        yield count


SMALL = {
    (b"p", b"a.jpg"): (b"one", False),
    (b"p/q", b"A.jpg"): (b"one", False),
    (b"p/r", b"a.jpg"): (b"three", False),
    (b"p", b"b.jpg"): (b"two", False),
}


SECOND = {(b"p/r", b"A.jpg"): (b"one", True)}  # a hard link


def crash_all_over(
    way: Way, far: Path | None, renames: bool, undoing_too: bool
) -> Iterator[tuple[Path, Path, Path, dict]]:
    """Crashes at each step in turn: the tree, the ledger, the folder; the tree before."""
    for turn in itertools.count(4):
        at = turn // 2  # each twice
        with (
            tempfile.TemporaryDirectory(dir=MEMORY) as folder,
            tempfile.TemporaryDirectory(dir=far) as other,
        ):
            root = Path(folder, "t")
            into = Path(other if far else root, "s")
            ledger = given_to(
                root / "c",
                Path(folder),
                SMALL | ({} if far else SECOND),
                {b"tabby/a.jpg": b"there"},
                into,
            )
            before = {**tree(root), **tree(into)}
            if undoing_too:
                sort_done(ledger, Wish(into, way), apply=True)
            with crashing(at, renames=renames) as count:
                try:
                    if undoing_too:
                        undo(ledger)
                    else:
                        sort_done(ledger, Wish(into, way), apply=True)
                except Crash:
                    pass
            if count[0] < at:
                return
            yield root, ledger, into, before


@pytest.fixture(params=["here", "far", "no renameat2"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path | None, bool]:
    if request.param != "far":
        return None, request.param == "here"
    if MEMORY is None or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system here")
    return tmp_path, True


@pytest.mark.parametrize("undoing_too", [False, True], ids=["sort", "undo"])
@pytest.mark.parametrize("way", list(Way))
def test_a_crash_at_any_moment_can_be_undone_and_gone_on_from(
    way: Way, where: tuple[Path | None, bool], undoing_too: bool
) -> None:
    far, renames = where
    if far and way == Way.LINK:
        pytest.skip("there are no hard links between file systems")
    crashed = 0
    for root, ledger, into, before in crash_all_over(way, far, renames, undoing_too):
        crashed += 1
        if crashed % 2:
            assert not undo(ledger).kept
            assert {**tree(root), **tree(into)} == before
        sort_done(ledger, Wish(into, way), apply=True)
        in_place(ledger, into)
        names = {*files_in(root / "c"), *files_in(into)}
        assert not [name for name in names if ".part" in name]
        count = len(SMALL) + (not far)
        assert len(files_in(into)) == count + 1
        assert len(files_in(root / "c")) == (0 if way == Way.MOVE else count)
        assert not undo(ledger).kept
        assert {**tree(root), **tree(into)} == before
    assert crashed > 30
