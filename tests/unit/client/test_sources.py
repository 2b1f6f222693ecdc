import os
from pathlib import Path

import pytest

from client.collection import sources
from client.collection.manifests import ManifestError, names
from client.collection.reading import Reader
from client.collection.sources import Sources
from client.errors import Unreadable
from tests.unit.client.test_archives import zipped


def tree(folder: Path, *paths: str) -> None:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


def found(folder: Path, *given: str) -> dict[str, str]:
    prefix = f"{folder}/"
    return {
        one.shown.removeprefix(prefix): one.refused
        for one in Sources().find([str(folder / one) for one in given])
    }


def test_a_folder_is_gone_through_in_order_hidden_files_and_junk_left_out(
    tmp_path: Path,
) -> None:
    tree(
        tmp_path,
        *("b/2.JPG", "b/1.jpeg", "a.png", "c.webp", "d.gif", "e.txt"),
        *(".hidden.png", ".git/x.png", "__MACOSX/y.png", "Thumbs.db", "b/deep/3.jpe"),
    )
    looked = Sources()
    paths = [one.shown for one in looked.find([str(tmp_path)])]
    expected = ["a.png", "b/1.jpeg", "b/2.JPG", "b/deep/3.jpe", "c.webp", "d.gif"]
    assert paths == [f"{tmp_path}/{one}" for one in expected]
    assert looked.skipped == 1


def test_links_to_folders_are_not_followed_so_there_are_no_loops(
    tmp_path: Path,
) -> None:
    tree(tmp_path, "a/1.png")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "a/2.png").symlink_to(tmp_path / "a/1.png")
    assert list(found(tmp_path, "a")) == ["a/1.png", "a/2.png"]


def test_what_is_not_there_or_no_picture_of_ours_is_a_row_that_says_so(
    tmp_path: Path,
) -> None:
    tree(tmp_path, "photo.heic", "named.txt")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
    told = found(
        tmp_path, "photo.heic", "named.txt", "gone.png", "pipe.png", "broken.png"
    )
    assert told["photo.heic"].startswith("A HEIC picture; save it as JPEG")
    assert told["named.txt"] == ""  # it was named: its bytes will tell
    assert told["gone.png"] == sources.MISSING
    assert told["broken.png"] == sources.MISSING
    assert "device or a pipe" in told["pipe.png"]


def test_a_glob_is_expanded_unless_a_file_is_called_so(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "a/b/2.png", "[x].png", "x.png")
    assert list(found(tmp_path, "**/*.png")) == [
        *("[x].png", "a/1.png", "a/b/2.png", "x.png"),
    ]
    assert list(found(tmp_path, "[x].png")) == ["[x].png"]
    assert found(tmp_path, "*.jpg") == {"*.jpg": sources.MISSING}


def test_archives_in_a_folder_are_looked_into(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", {"in/1.png": b"x", "2.txt": b"x"})
    assert found(tmp_path, ".") == {"a.zip::in/1.png": ""}


def test_names_that_are_no_text_are_found_and_read(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    with open(name, "wb") as file:
        file.write(b"bytes")
    (one,) = Sources().find([str(tmp_path)])
    assert one.path == name
    with Reader() as reader:
        assert reader.read(one.path) == b"bytes"


def test_a_name_with_colons_is_no_archive(tmp_path: Path) -> None:
    tree(tmp_path, "a::b.png")
    (one,) = Sources().find([str(tmp_path)])
    with Reader() as reader:
        assert reader.read(one.path) == b"x"


def test_a_file_that_has_gone_says_so(tmp_path: Path) -> None:
    with Reader() as reader, pytest.raises(Unreadable, match="No such file"):
        reader.read(os.fsencode(tmp_path / "gone.png"))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "# a list\n1.png\n\n /abs/2.png \n", ["1.png", "/abs/2.png"]),
        ("a.csv", "id,path\n1,x y.png\n2,\n", ["x y.png"]),
        ("a.csv", '\ufeffFilename,id\n"a,b.png",1\n', ["a,b.png"]),
        ("a.csv", "1.png\n2.png\n", ["1.png", "2.png"]),
        ("a.tsv", "id\turl\n1\tfile:///abs/a%20b.png\n", ["/abs/a b.png"]),
    ],
)
def test_lists_are_read_whatever_their_kind(
    tmp_path: Path, name: str, text: str, expected: list[str]
) -> None:
    (tmp_path / name).write_text(text)
    assert list(names(tmp_path / name)) == [str(tmp_path / one) for one in expected]


def test_a_parquet_list_is_read(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"id": [1, 2], "path": ["1.png", None]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert list(names(tmp_path / "a.parquet")) == [str(tmp_path / "1.png")]
    parquet.write_table(pa.table({"id": [1]}), tmp_path / "b.parquet")
    with pytest.raises(ManifestError, match="none of the columns"):
        list(names(tmp_path / "b.parquet"))


@pytest.mark.parametrize(
    "address", ["http://x/1.png", "file://other/1.png", "s3://b/1"]
)
def test_what_lies_elsewhere_is_not_fetched(tmp_path: Path, address: str) -> None:
    (tmp_path / "a.txt").write_text(address)
    with pytest.raises(ManifestError, match="not on this machine"):
        list(names(tmp_path / "a.txt"))


def test_a_list_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        list(names(tmp_path / "gone.csv"))
    (tmp_path / "a.parquet").write_bytes(b"not parquet")
    with pytest.raises(ManifestError, match="cannot be read"):
        list(names(tmp_path / "a.parquet"))


def test_a_link_to_a_folder_is_not_followed_whatever_it_is_called(
    tmp_path: Path,
) -> None:
    tree(tmp_path, "a/1.png")
    (tmp_path / "a/loop.jpg").symlink_to(tmp_path / "a")
    assert list(found(tmp_path, "a")) == ["a/1.png"]


@pytest.mark.parametrize("given", ["{}", "{}/**/*.png"], ids=["folder", "glob"])
def test_a_folder_may_be_deeper_than_python_calls(tmp_path: Path, given: str) -> None:
    deep = tmp_path
    for _ in range(1100):
        deep /= "d"
        deep.mkdir()
    tree(deep, "1.png")
    tree(tmp_path, "notes.txt")
    (one,) = Sources().find([given.format(tmp_path)])
    assert one.path == os.fsencode(deep / "1.png")
    (deep / "1.png").unlink()
    os.removedirs(deep)  # too deep for pytest to tidy up


@pytest.mark.parametrize("name", ["~nobody-is-called-so/1.png", "a\0b.png"])
def test_a_name_that_no_file_can_have_is_a_row_too(name: str) -> None:
    (one,) = Sources().find([name])
    assert one.refused == sources.MISSING
    assert b"\0" not in one.path
