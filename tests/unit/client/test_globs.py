from pathlib import Path

import pytest

from client.collection.sources import Sources
from tests.unit.client.test_sources import found, tree


def test_two_stars_find_each_file_once_however_links_lead(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "a/b/2.png", "a/.hidden/3.png", "c/4.png")
    for name, to in (("x", "."), ("y", "."), ("z", "b")):
        (tmp_path / "a" / name).symlink_to(tmp_path / "a" / to)
    (tmp_path / "a/5.png").symlink_to(tmp_path / "c/4.png")  # a file's is followed
    everywhere = ["a/1.png", "a/5.png", "a/b/2.png", "c/4.png"]
    assert list(found(tmp_path, "**/*.png")) == everywhere
    assert list(found(tmp_path, "**/**/*.png")) == everywhere
    assert list(found(tmp_path, "a/**/b/**/*.png")) == ["a/b/2.png"]
    assert list(found(tmp_path, "a/**/2.png")) == ["a/b/2.png"]
    assert list(found(tmp_path, "[ac]/**/[14].png")) == ["a/1.png", "c/4.png"]


def test_two_stars_at_the_end_are_the_folder(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "a/b/2.png", "a/notes.txt")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    paths = [one.shown for one in Sources().find([f"{tmp_path}/a/**"])]
    assert paths == [f"{tmp_path}/a/1.png", f"{tmp_path}/a/b/2.png"]


def test_one_star_follows_a_link_as_a_shell_does(tmp_path: Path) -> None:
    tree(tmp_path, "elsewhere/1.png", "a/2.png")
    (tmp_path / "a/link").symlink_to(tmp_path / "elsewhere")
    assert list(found(tmp_path, "a/*/*.png")) == ["a/link/1.png"]
    assert list(found(tmp_path, "a/*")) == ["a/2.png", "a/link/1.png"]


def test_relative_globs_are_of_the_folder_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, "1.png", "a[b]/2.png", "a[b]/c/3.png")
    monkeypatch.chdir(tmp_path)
    every = [f"{tmp_path}/{one}" for one in ("1.png", "a[b]/2.png", "a[b]/c/3.png")]
    assert [one.shown for one in Sources().find(["**/*.png"])] == every
    assert [one.shown for one in Sources().find(["**"])] == every
    assert [one.shown for one in Sources().find(["a*/**/3.png"])] == every[2:]
