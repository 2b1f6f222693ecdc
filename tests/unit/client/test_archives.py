import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from client.collection import archives, packed
from client.collection.reading import Reader, TooLarge
from client.collection.records import Found
from client.collection.sources import Sources
from client.errors import Unreadable
from tests.support.pictures import photograph

COFFEE = photograph("coffee.png")


def by_name(found: list[Found]) -> dict[str, str]:
    return {one.shown.partition("::")[2]: one.refused for one in found}


def zipped(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, entries: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


MAKERS: list[tuple[str, Callable[[Path, dict[str, bytes]], Path]]] = [
    ("a.zip", zipped),
    ("a.tar.gz", tarred),
]


@pytest.mark.parametrize(("name", "make"), MAKERS)
def test_pictures_are_found_and_read_in_any_order(
    tmp_path: Path, name: str, make: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    entries = {"x/one.png": COFFEE, "two.PNG": COFFEE[:999], "notes.txt": b"no"}
    found = list(archives.find(make(tmp_path / name, entries)))
    assert by_name(found) == {"x/one.png": "", "two.PNG": ""}
    with Reader() as reader:
        for one in (found[0], found[1], found[0]):
            name = one.shown.partition("::")[2]
            assert reader.read(one.path) == entries[name]


@pytest.mark.parametrize(("name", "make"), MAKERS)
@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("../up.png", packed.OUTSIDE),
        ("a/../../up.png", packed.OUTSIDE),
        ("/etc/up.png", packed.OUTSIDE),
        ("C:/up.png", packed.OUTSIDE),
        ("inner.zip", packed.NESTED),
        ("inner.tar.gz", packed.NESTED),
    ],
)
def test_names_that_lead_elsewhere_are_refused_and_the_others_are_not(
    tmp_path: Path,
    name: str,
    make: Callable[[Path, dict[str, bytes]], Path],
    entry: str,
    why: str,
) -> None:
    path = make(tmp_path / name, {"good.png": COFFEE, entry: b"x"})
    refused = by_name(list(archives.find(path)))
    assert refused.pop("good.png") == ""
    assert list(refused.values()) == [why]


def test_pictures_of_other_formats_say_what_to_do(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"photo.heic": b"x"})
    (found,) = archives.find(path)
    assert found.refused == "A HEIC picture; save it as JPEG, PNG, GIF or WebP."


def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (
            ("soft.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("pipe.png", tarfile.FIFOTYPE),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    assert by_name(list(archives.find(path))) == {
        "soft.png": packed.LINK,
        "hard.png": packed.LINK,
        "pipe.png": packed.DEVICE,
    }


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    entry = zipfile.ZipInfo("link.png")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    (found,) = archives.find(path)
    assert found.refused == packed.LINK


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"secret.png": COFFEE})
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag, in the entry's own head and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    (found,) = archives.find(path)
    assert found.refused == packed.ENCRYPTED


def test_a_bomb_is_refused_and_one_that_lies_is_not_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"bomb.png": bytes(30_000_000)})
    (found,) = archives.find(path)
    assert found.refused == packed.BOMB
    torn = tarred(tmp_path / "b.tar.gz", {"bomb.png": bytes(30_000_000)})
    (found,) = archives.find(torn)
    with Reader() as reader, pytest.raises(TooLarge, match="20 MB"):
        reader.read(found.path)


def test_two_entries_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(path, "w") as archive,
    ):
        archive.writestr("a.png", COFFEE)
        archive.writestr("a.png", b"other")
    first, second = archives.find(path)
    assert first.refused == ""
    assert second.refused == packed.TWICE
    assert first.path != second.path


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_an_archive_that_is_none_is_one_row_that_says_so(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"this is not an archive at all")
    (found,) = archives.find(path)
    assert found.path == os.fsencode(path)
    assert found.refused.startswith("The archive cannot be read")


def test_what_lies_before_the_break_of_a_torn_archive_is_kept(tmp_path: Path) -> None:
    entries = {f"{n}.png": os.urandom(50_000) for n in range(20)}
    path = tarred(tmp_path / "a.tar.gz", entries)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = list(archives.find(path))
    assert 5 < len(found) < 20
    assert found[0].refused == ""
    assert found[-1].refused.startswith("The archive cannot be read")
    with Reader() as reader, pytest.raises(Unreadable):
        reader.read(os.fsencode(path) + b"\x0019.png")


def test_a_name_of_many_megabytes_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a" * 5_000_000 + ".png"))
    (found,) = archives.find(path)
    assert "name is too long" in found.refused


def test_a_damaged_head_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", {"1.png": b"x" * 512, "2.png": b"y"}, "w")
    data = bytearray(path.read_bytes())
    data[1024 + 148] ^= 1  # the second head's checksum
    path.write_bytes(data)
    first, second = archives.find(path)
    assert first.refused == ""
    assert "damaged" in second.refused


def test_a_tar_that_grows_without_measure_is_left(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar.xz", {"notes.txt": bytes(120_000_000)}, "w:xz")
    (found,) = archives.find(path)
    assert packed.BOMB in found.refused


def test_a_pipe_called_like_an_archive_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    (found,) = Sources().find([str(tmp_path / "a.zip")])
    assert found.refused == packed.DEVICE


@pytest.mark.parametrize("way", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_damaged_entry_costs_itself_alone(
    tmp_path: Path, way: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", way) as archive:
        archive.writestr("1.png", COFFEE)
        archive.writestr("2.png", b"whole")
    data = bytearray(path.read_bytes())
    data[60:400] = bytes(340)
    path.write_bytes(data)
    damaged, whole = archives.find(path)
    opened: list[Path] = []
    open_it = archives.opened
    monkeypatch.setattr(
        archives, "opened", lambda path: opened.append(path) or open_it(path)
    )
    with Reader() as reader:
        for _ in range(3):
            with pytest.raises(Unreadable, match="damaged here"):
                reader.read(damaged.path)
        assert reader.read(whole.path) == b"whole"
    assert len(opened) == 1  # or many that are damaged would take for ever
