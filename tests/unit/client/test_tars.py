"""Tars of all kinds, and those made to cost memory or time."""

import gzip
import io
import resource
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from client.collection import archives, packed
from client.collection.reading import Reader
from tests.support.system import ROOT
from tests.unit.client.test_archives import by_name, zipped

BLOCK = tarfile.BLOCKSIZE
HUGE = 1 << 60


def head(
    name: str, size: int, kind: bytes, change: Callable[[bytearray], object] = id
) -> bytes:
    """A head, changed before its checksum is written."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, kind
    block = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    change(block)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax(**records: str | bytes) -> bytes:
    """What pax says of the next entry."""
    data = b""
    for key, value in records.items():
        text = value.encode() if isinstance(value, str) else value
        line = b" %s=%s\n" % (key.replace("__", ".").encode(), text)
        length = len(line) + len(str(len(line)))
        length = len(line) + len(str(length))
        data += b"%d%s" % (length, line)
    return said(data)


def said(data: bytes) -> bytes:
    return head("pax", len(data), tarfile.XHDTYPE) + data + bytes(-len(data) % BLOCK)


def holes(more: bool) -> Callable[[bytearray], object]:
    """Makes it a head of GNU's old sparse format, of a file that claims to be huge."""

    def change(block: bytearray) -> None:
        block[386:410] = b"%011o\0%011o\0" % (0, BLOCK)
        block[482] = more
        block[483:495] = b"\x80" + HUGE.to_bytes(11, "big")

    return change


def size(number: int) -> Callable[[bytearray], object]:
    """Writes a size in binary, as GNU does for those of 8 GB and more."""

    def change(block: bytearray) -> None:
        block[124:136] = (number % (1 << 96)).to_bytes(12, "big")
        block[124] |= 0x80

    return change


DATA = bytes(BLOCK)
GOOD = head("good.png", 3, tarfile.REGTYPE) + b"abc".ljust(BLOCK, b"\0")
END = bytes(2 * BLOCK)
MAP = b"".join(b"%011o\0%011o\0" % (n * 1024, BLOCK) for n in range(1, 22))
VERSION_1 = {"GNU__sparse__major": "1", "GNU__sparse__minor": "0"}
SPARSE = {
    "old": head("huge.png", BLOCK, b"S", holes(more=False)) + DATA,
    "old, with a long map": head("huge.png", BLOCK, b"S", holes(more=True))
    + MAP.ljust(BLOCK, b"\1") * 3
    + MAP.ljust(BLOCK, b"\0")
    + DATA,
    "0.0": pax(GNU__sparse__size=str(HUGE), GNU__sparse__offset="0")
    + head("huge.png", BLOCK, b"0")
    + DATA,
    "0.1": pax(GNU__sparse__map="0,1," * 100_000 + "9,9", GNU__sparse__size=str(HUGE))
    + head("huge.png", BLOCK, b"0")
    + DATA,
    "1.0": pax(**VERSION_1, path="huge.png")
    + head("x/y", BLOCK, b"0")
    + b"1\n0\n512\n".ljust(BLOCK, b"\0"),
}


@pytest.mark.parametrize("kind", SPARSE)
def test_a_file_with_holes_is_refused_and_the_next_one_is_not(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(SPARSE[kind] + GOOD + END)
    huge, good = archives.find(path)
    assert by_name([huge]) == {"huge.png": packed.SPARSE}
    assert by_name([good]) == {"good.png": ""}
    with Reader() as reader:
        assert reader.read(good.path) == b"abc"


def test_what_gnu_tar_packs_with_holes_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "holes.png").open("wb") as file:
        file.truncate(1 << 30)
        file.write(b"begin")
    (tmp_path / "plain.png").write_bytes(b"plain")
    for form in ("gnu", "pax"):
        words = ("--sparse", f"--format={form}", "-cf", f"{form}.tar")
        made = subprocess.run(
            ["tar", *words, "holes.png", "plain.png"], cwd=tmp_path, check=False
        )
        assert made.returncode == 0
        found = list(archives.find(tmp_path / f"{form}.tar"))
        assert by_name(found) == {"holes.png": packed.SPARSE, "plain.png": ""}


def _long_map(file: gzip.GzipFile) -> None:
    file.write(head("huge.png", BLOCK, b"S", holes(more=True)))
    for _ in range(300):
        file.write(MAP.ljust(BLOCK, b"\1") * 1000)


def _map_of_a_billion(file: gzip.GzipFile) -> None:
    file.write(pax(**VERSION_1) + head("huge.png", 3 << 30, b"0") + b"1000000000\n")
    for _ in range(300):
        file.write(b"0\n" * 256_000)


def _many_keys(file: gzip.GzipFile) -> None:
    """To `tarfile` of Python 3.11.7 each is a key of its own, all the rest of them long."""
    file.write(said(b"9 " * 450_000 + b"=") + GOOD + END)


def _many_digits(file: gzip.GzipFile) -> None:
    """A pattern that looks for a number in them takes as long as their square."""
    file.write(said(b"1" * 900_000) + pax(comment=b"1" * 900_000) + GOOD + END)


def _many_heads(file: gzip.GzipFile) -> None:
    file.write(pax(path="a.png") * 200_000 + GOOD + END)


HOSTILE = [_long_map, _map_of_a_billion, _many_keys, _many_digits, _many_heads]
LOOK = """
import resource, sys
from pathlib import Path
from client.collection import archives
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for one in archives.find(Path(sys.argv[1])):
    print(one.refused)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("write", HOSTILE)
def test_it_costs_neither_memory_nor_time(
    tmp_path: Path, write: Callable[[gzip.GzipFile], None]
) -> None:
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        write(file)
    command = [sys.executable, "-c", LOOK, str(path)]
    begun = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    *told, grown_kb = done.stdout.splitlines()
    assert told[-1].startswith("The archive cannot be read")
    assert int(grown_kb) < 20_000
    assert ended.ru_utime - begun.ru_utime < 10.0


@pytest.mark.parametrize("claimed", [-BLOCK, -1, 1 << 40, 1 << 90])
@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_a_size_that_cannot_be_ends_it(tmp_path: Path, name: str, claimed: int) -> None:
    path = tmp_path / name
    opens = gzip.open if name.endswith("gz") else open
    with opens(path, "wb") as file:
        file.write(GOOD + head("b.png", 0, b"0", size(claimed)) + GOOD + END)
    begun = time.process_time()
    good, *rest = archives.find(path)
    assert good.refused == ""
    assert rest[-1].refused.startswith("The archive cannot be read")
    assert time.process_time() - begun < 5.0


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_names_that_are_no_text_are_read(
    tmp_path: Path, form: int
) -> None:
    names = ["a/" * 120 + "long.png", "\udcff\udcfe.png", "ü.png", "short.png"]
    path = tmp_path / "a.tar.xz"
    with tarfile.open(path, "w:xz", format=form, pax_headers={"comment": "x"}) as made:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            made.addfile(entry, io.BytesIO(b"x" * len(name)))
    found = list(archives.find(path))
    with Reader() as reader:
        for one, name in zip(reversed(found), reversed(names), strict=True):
            assert one.path.endswith(name.encode("utf-8", "surrogateescape"))
            assert reader.read(one.path) == b"x" * len(name)


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"hidden.png": b"x"}).read_bytes()
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as made:
        entry = tarfile.TarInfo("inner.zip")
        entry.size = len(inner)
        made.addfile(entry, io.BytesIO(inner))
    assert zipfile.is_zipfile(path)
    assert by_name(list(archives.find(path))) == {"inner.zip": packed.NESTED}
