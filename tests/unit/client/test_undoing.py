import os
import shutil
from pathlib import Path

import pytest

from client.collection import undoing
from client.collection.places import Way
from client.collection.sorter import Wish
from client.collection.sorting import SortingError, sort_done
from client.collection.undoing import undo
from tests.support.sorted_files import (
    files_in,
    made,
    tree,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "t").mkdir()
    return tmp_path / "t"


def test_into_another_folder_or_in_another_way_only_after_undo(root: Path) -> None:
    ledger = made(root, a="cat")
    sort_done(ledger, Wish(root / "s", Way.MOVE), apply=True)
    for wish in (Wish(root / "other", Way.MOVE), Wish(root / "s", Way.COPY)):
        with pytest.raises(SortingError, match="undo"):
            sort_done(ledger, wish, apply=True)
    undo(ledger)
    sort_done(ledger, Wish(root / "other", Way.COPY), apply=True)
    assert files_in(root) == ["c/a.jpg", "other/cat/a.jpg"]


@pytest.mark.parametrize("way", list(Way))
def test_what_is_another_by_now_is_left_alone(root: Path, way: Way) -> None:
    ledger = made(root, a="cat", b="cat")
    sort_done(ledger, Wish(root / "s", way), apply=True)
    (root / "mine").write_bytes(b"mine")
    (root / "mine").replace(root / "s/cat/a.jpg")
    told = undo(ledger)
    assert told.kept == {undoing.FOREIGN: 1}
    assert (told.back, len(told.folders_kept)) == (1, 2)
    assert files_in(root / "s") == ["cat/a.jpg"]
    (root / "s/cat/a.jpg").unlink()
    told = undo(ledger)
    gone = {undoing.LOST: 1} if way == Way.MOVE else {}
    assert (told.kept, told.folders) == (gone, 2)


def test_the_last_of_a_file_is_not_taken_away(root: Path) -> None:
    for way in (Way.LINK, Way.COPY):
        folder = root / way
        folder.mkdir()
        ledger = made(folder / "t", a="cat", b="cat")
        sort_done(ledger, Wish(folder / "s", way), apply=True)
        (folder / "t/c/a.jpg").unlink()
        assert undo(ledger).kept == {undoing.LAST: 1}
        assert files_in(folder / "s") == ["cat/a.jpg"]


def test_an_edited_copy_stays_one_with_other_rights_goes(root: Path) -> None:
    ledger = made(root, a="cat", b="cat")
    sort_done(ledger, Wish(root / "s", Way.COPY), apply=True)
    (root / "s/cat/a.jpg").write_bytes(b"edited")
    (root / "s/cat/b.jpg").chmod(0o600)
    assert undo(ledger).kept == {undoing.FOREIGN: 1}
    assert files_in(root / "s") == ["cat/a.jpg"]


def test_an_old_name_that_is_taken_is_not_overwritten(root: Path) -> None:
    ledger = made(root, a="cat", b="cat")
    sort_done(ledger, Wish(root / "s", Way.MOVE), apply=True)
    (root / "c/a.jpg").write_bytes(b"new")
    (root / "c/b.jpg").write_bytes(b"b")  # brought back by hand
    assert undo(ledger).kept == {undoing.TAKEN: 1}
    assert files_in(root) == ["c/a.jpg", "c/b.jpg", "s/cat/a.jpg"]
    (root / "c/a.jpg").unlink()
    assert undo(ledger).back == 1
    assert (root / "c/a.jpg").read_bytes() == b"a"


def test_files_go_back_to_a_folder_that_was_removed(root: Path) -> None:
    ledger = made(root, a="cat")
    before = tree(root)
    sort_done(ledger, Wish(root / "s", Way.MOVE), apply=True)
    (root / "c").rmdir()
    assert undo(ledger).back == 1
    assert tree(root) == before


@pytest.mark.parametrize("way", [Way.LINK, Way.COPY, Way.MOVE])
def test_a_folder_that_now_leads_to_the_sorted_ones_costs_no_file(
    root: Path, way: Way
) -> None:
    ledger = made(root, a="cat")
    sort_done(ledger, Wish(root / "s", way), apply=True)
    shutil.rmtree(root / "c")
    (root / "c").symlink_to(root / "s/cat")
    why = undoing.TAKEN if way == Way.MOVE else undoing.LAST
    assert undo(ledger).kept == {why: 1}
    os.link(root / "s/cat/a.jpg", root / "second")
    assert undo(ledger).kept == {why: 1}
    assert (root / "s/cat/a.jpg").read_bytes() == b"a"
