"""Zips with many entries, and with a list that is not where it should be."""

import os
import resource
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from client.collection import archives, zips
from client.collection.reading import Reader
from client.errors import Unreadable
from tests.support.system import ROOT
from tests.unit.client.test_archives import by_name, zipped

LOOK = """
import resource, sys
from pathlib import Path
from client.collection import archives
from client.collection.reading import Reader
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = 0
for one in archives.find(Path(sys.argv[1])):
    found += 1
    assert not one.refused, one.refused
with Reader() as reader:
    assert reader.read(one.path) == b"last"
print(found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_list_of_many_entries_is_not_held_in_memory(tmp_path: Path) -> None:
    """By `zipfile` itself it takes 80 MB."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        for number in range(99_999):
            made.writestr(zipfile.ZipInfo(f"album/picture-{number:06}.png"), b"x")
        made.writestr(zipfile.ZipInfo("last.png"), b"last")
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, grown_kb = map(int, done.stdout.split())
    assert found == 100_000
    assert grown_kb < 40_000


def entries(path: Path) -> dict[str, bytes]:
    """All that is found in an archive, read in the opposite order."""
    found = list(archives.find(path))
    assert [one.refused for one in found] == [""] * len(found)
    with Reader() as reader:
        return {
            one.shown.partition("::")[2]: reader.read(one.path)
            for one in reversed(found)
        }


@pytest.mark.parametrize("way", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("before", [0, 1, 70_000, 5 << 30])
@pytest.mark.parametrize("absolute", [True, False])
def test_it_is_read_wherever_it_begins_in_its_file(
    tmp_path: Path, before: int, way: int, absolute: bool
) -> None:
    """Behind something else, with places that count from the file's beginning or its own."""
    names = [f"{'n' * (number % 300)}{number}.png" for number in range(3000)]
    inner, path = tmp_path / "inner", tmp_path / "a.zip"
    with path.open("wb") as file:
        file.seek(before)  # a hole, which takes no room on the disk
        if absolute:
            with zipfile.ZipFile(file, "w", way) as made:
                made.comment = b"c" * 1000
                for name in names:
                    made.writestr(name, name.encode())
        else:
            with zipfile.ZipFile(inner, "w", way) as made:
                for name in names:
                    made.writestr(name, name.encode())
            file.write(inner.read_bytes())
    assert entries(path) == {name: name.encode() for name in names}


def test_an_entry_of_four_gigabytes_and_more_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        entry = zipfile.ZipInfo("large.png")
        entry.file_size = 5 << 30
        with made.open(entry, "w", force_zip64=True) as file:
            file.write(b"small")
        made.writestr("ü\N{SNOWMAN}.png", b"x")
    assert entries(path) == {"large.png": b"small", "ü\N{SNOWMAN}.png": b"x"}


@pytest.mark.parametrize("at", [0, 28, 30, 32])
def test_what_lies_before_a_damaged_entry_of_the_list_is_kept(
    tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zips, "PIECE_BYTES", 200)
    path = zipped(tmp_path / "a.zip", {f"{n}.png": b"x" for n in range(9)})
    data = bytearray(path.read_bytes())
    broken = data.index(b"PK\1\2", data.index(b"PK\1\2") + 300) + at
    data[broken : broken + 2] = b"\xff\xff"
    path.write_bytes(data)
    *found, last = archives.find(path)
    assert len(found) >= 3
    assert by_name(found) == {f"{n}.png": "" for n in range(len(found))}
    assert last.refused.startswith("The archive cannot be read")
    with Reader() as reader, pytest.raises(Unreadable):
        reader.read(os.fsencode(path) + b"\x008.png")


@pytest.mark.parametrize("length", [1, 10**6, 0xFFFFFFFF])
def test_a_list_that_is_not_where_it_should_be_is_one_row_that_says_so(
    tmp_path: Path, length: int
) -> None:
    path = zipped(tmp_path / "a.zip", {"1.png": b"x", "2.png": b"x"})
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\5\6")
    data[end + 12 : end + 16] = struct.pack("<L", length)
    path.write_bytes(data)
    (found,) = archives.find(path)
    assert found.refused.startswith("The archive cannot be read")


def test_of_two_entries_of_a_name_the_first_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(path, "w") as made,
    ):
        made.writestr("a.png", b"first")
        made.writestr("a.png", b"second")
    first, _ = archives.find(path)
    with Reader() as reader:
        assert reader.read(first.path) == b"first"


def test_a_long_collection_of_names_needs_no_memory_to_be_compared() -> None:
    """A million names, told apart by numbers."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    names = (("n" * 50_000 + str(number), 1, "") for number in range(5_000))
    assert sum(1 for _ in archives._once(names)) == 5_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
