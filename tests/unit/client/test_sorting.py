import errno
import os
import tempfile
import zipfile
from pathlib import Path

import pytest

from client.collection import moves, placing
from client.collection.ledger import Ledger
from client.collection.places import Way
from client.collection.records import within
from client.collection.sorter import Wish
from client.collection.sorting import SortingError, sort_done
from client.collection.taxonomy import Taxonomy
from client.collection.undoing import undo
from tests.support.sorted_files import (
    classified,
    files_in,
    made,
    prediction,
    tree,
    write,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "t").mkdir()
    return tmp_path / "t"


@pytest.mark.parametrize("way", list(Way))
def test_a_file_that_has_changed_or_gone_is_not_put_anywhere(
    root: Path, way: Way
) -> None:
    ledger = made(root, a="cat", b="cat", c="cat")
    (root / "c" / "a.jpg").write_bytes(b"other bytes")
    (root / "c" / "b.jpg").unlink()
    told = sort_done(ledger, Wish(root / "s", way), apply=True)
    assert told.skipped == {placing.CHANGED: 1, placing.GONE: 1}
    assert files_in(root / "s") == ["cat/c.jpg"]
    assert (root / "c" / "a.jpg").read_bytes() == b"other bytes"


@pytest.mark.parametrize("way", [Way.COPY, Way.MOVE])
def test_a_change_that_keeps_size_and_time_is_noticed(root: Path, way: Way) -> None:
    ledger = made(root, a="cat")
    path = os.fsencode(root / "c" / "a.jpg")
    os.unlink(path)
    write(path, b"b")
    told = sort_done(ledger, Wish(root / "s", way), apply=True)
    assert told.skipped == {placing.CHANGED: 1}


def test_entries_of_archives_are_copied_out_and_nothing_else(root: Path) -> None:
    archive = root / "c.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("x/a.jpg", "y/a.jpg", "y/new\nline.jpg", "lost.jpg"):
            file.writestr(name, name)
    named = [
        (
            within(os.fsencode(archive), name),
            b"else" if name == "lost.jpg" else name.encode(),
            (prediction("cat"),),
        )
        for name in ("x/a.jpg", "y/a.jpg", "y/new\nline.jpg", "lost.jpg")
    ]
    ledger = classified(root.parent / "out.csv.ledger", named)
    before = tree(root)
    for way in (Way.LINK, Way.SYMLINK, Way.MOVE):
        told = sort_done(ledger, Wish(root / "s", way), apply=True)
        assert told.skipped == {placing.IN_ARCHIVE: 4}
        assert tree(root) == before
    told = sort_done(ledger, Wish(root / "s", Way.COPY), apply=True)
    assert told.skipped == {placing.CHANGED: 1}
    assert files_in(root / "s") == [
        "cat/a (2).jpg",
        "cat/a.jpg",
        "cat/new_line.jpg",
    ]
    assert (root / "s/cat/a (2).jpg").read_text() == "y/a.jpg"
    assert undo(ledger).back == 3
    assert tree(root) == before


@pytest.mark.parametrize("way", list(Way))
def test_with_another_taxonomy_files_are_moved_over(root: Path, way: Way) -> None:
    ledger = made(root, a="tabby", b="tench", c="pug")
    before = tree(root)
    sort_done(ledger, Wish(root / "s", way), apply=True)
    taxonomy = Taxonomy([("tabby", "Pets/Cats"), ("pug", "Pets/Dogs"), ("emu", "x")])
    wish = Wish(root / "s", way, taxonomy=taxonomy)
    told = sort_done(ledger, wish, apply=False)
    assert (told.placed, told.moved_over) == (3, 3)
    told = sort_done(ledger, wish, apply=True)
    assert (told.placed, told.moved_over, told.left_out) == (3, 3, {"tench": 1})
    assert told.unknown == ["emu"]
    there = ["Pets/Cats/a.jpg", "Pets/Dogs/c.jpg", "_other/b.jpg"]
    assert files_in(root / "s") == there
    assert sorted(os.listdir(root / "s")) == ["Pets", "_other"]
    assert not undo(ledger).kept
    assert tree(root) == before


def test_one_label_with_two_meanings_has_two_folders(root: Path) -> None:
    paths = []
    for name, wnid in (("bird", "n02012849"), ("machine", "n03126707")):
        path = os.fsencode(root / "c" / name)
        write(path, name.encode())
        paths.append((path, name.encode(), (prediction("crane", wnid=wnid),)))
    ledger = classified(root.parent / "out.csv.ledger", paths)
    sort_done(ledger, Wish(root / "s", Way.LINK), apply=True)
    assert files_in(root / "s") == ["crane_n02012849/bird", "crane_n03126707/machine"]


def test_a_link_that_was_deleted_is_made_again(root: Path) -> None:
    ledger = made(root, a="cat", b="cat")
    sort_done(ledger, Wish(root / "s", Way.LINK), apply=True)
    (root / "s/cat/a.jpg").unlink()
    told = sort_done(ledger, Wish(root / "s", Way.LINK), apply=True)
    assert (told.placed, told.in_place) == (1, 1)
    assert files_in(root / "s") == ["cat/a.jpg", "cat/b.jpg"]


def test_symbolic_links_are_followed_and_never_moved(root: Path) -> None:
    ledger = made(root, a="cat")
    (root / "c/real.png").write_bytes(b"x")
    (root / "c/near.jpg").symlink_to("real.png")
    with Ledger(ledger) as held:
        before = held.counts()["done"]
    classified(ledger, [(os.fsencode(root / "c/near.jpg"), b"x", (prediction("cat"),))])
    assert before == 1
    told = sort_done(ledger, Wish(root / "s", Way.MOVE), apply=True)
    assert told.skipped == {placing.IS_LINK: 1}
    undo(ledger)
    sort_done(ledger, Wish(root / "s", Way.LINK), apply=True)
    assert (root / "s/cat/near.jpg").samefile(root / "c/real.png")
    assert not (root / "s/cat/near.jpg").is_symlink()
    assert not undo(ledger).kept
    assert files_in(root) == ["c/a.jpg", "c/near.jpg", "c/real.png"]


def test_a_name_that_others_take_meanwhile_is_not_overwritten(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = placing.put

    def late(place, part):  # type: ignore[no-untyped-def]
        if place.target.endswith(b"/a.jpg"):
            write(place.target, b"theirs")
        return put(place, part)

    monkeypatch.setattr(placing, "put", late)
    for way in Way:
        folder = root / way
        folder.mkdir()
        ledger = made(folder / "t", a="cat")
        told = sort_done(ledger, Wish(folder / "s", way), apply=True)
        assert told.clashes == 1
        assert files_in(folder / "s") == ["cat/a (2).jpg", "cat/a.jpg"]
        assert (folder / "s/cat/a.jpg").read_bytes() == b"theirs"
        assert not undo(ledger).kept
        assert files_in(folder) == ["out.csv.ledger", "s/cat/a.jpg", "t/c/a.jpg"]


def test_a_full_disk_stops_it_and_leaves_all_consistent(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = made(root, a="cat", b="dog", c="cat")
    before = tree(root)
    write_new = moves.write_new

    def full(path: bytes, data: bytes, like: bytes | None) -> os.stat_result:
        if data == b"c":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return write_new(path, data, like)

    with monkeypatch.context() as patch:
        patch.setattr(moves, "write_new", full)
        with pytest.raises(SortingError, match="No space left"):
            sort_done(ledger, Wish(root / "s", Way.COPY), apply=True)
    assert files_in(root / "s") == []
    sort_done(ledger, Wish(root / "s", Way.COPY), apply=True)
    assert files_in(root / "s") == ["cat/a.jpg", "cat/c.jpg", "dog/b.jpg"]
    undo(ledger)
    assert tree(root) == before


def test_a_folder_that_cannot_be_made_is_told(root: Path) -> None:
    ledger = made(root, a="cat")
    (root / "file").write_bytes(b"")
    with pytest.raises(SortingError, match="is a file; name a folder"):
        sort_done(ledger, Wish(root / "file", Way.COPY), apply=True)
    with pytest.raises(SortingError, match="File exists"):
        sort_done(ledger, Wish(root / "file/s", Way.COPY), apply=True)
    with pytest.raises(SortingError, match="/proc/sorted"):
        sort_done(ledger, Wish(Path("/proc/sorted"), Way.COPY), apply=True)
    assert undo(ledger).back == 0


def test_a_move_to_another_file_system_parts_no_hard_links(root: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == root.stat().st_dev:
        pytest.skip("there is no other file system here")
    ledger = made(root, a="cat", b="cat")
    os.link(root / "c/a.jpg", root / "second")
    with tempfile.TemporaryDirectory(dir=memory) as other:
        into = Path(other)
        told = sort_done(ledger, Wish(into, Way.MOVE), apply=True)
        assert told.skipped == {placing.LINKED: 1}
        assert files_in(into) == ["cat/b.jpg"]
        undo(ledger)
        told = sort_done(ledger, Wish(into, Way.LINK), apply=True)
        assert told.skipped == {placing.FAR: 2}
        assert files_in(into) == []


def test_it_ends_in_order_when_it_is_asked_to(root: Path) -> None:
    ledger = made(root, **{f"f{number}": "cat" for number in range(250)})
    asked = iter([False, True])
    wish = Wish(root / "s", Way.MOVE)
    told = sort_done(ledger, wish, apply=True, stop=lambda: next(asked))
    assert (told.stopped, told.placed) == (True, 100)
    assert sort_done(ledger, wish, apply=True).placed == 150
    asked = iter([False, True])
    taken = undo(ledger, stop=lambda: next(asked))
    assert (taken.stopped, taken.back) == (True, 200)
    assert undo(ledger).back == 50
    assert len(files_in(root / "c")) == 250
