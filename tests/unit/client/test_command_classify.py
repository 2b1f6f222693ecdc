"""``pictor classify`` where nobody has to classify anything: what goes together, what is taken in."""

import os
import sqlite3
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from client.collection.ledger import Ledger
from client.collection.places import Places
from client.command.main import app
from client.command.terms import Exit, ledger_of
from tests.support.sorted_files import classified, files_in, prediction, tree, write
from tests.support.system import free_port

LABELS = {"a": "tabby", "b": "toy_terrier", "c": "drum"}


@pytest.fixture
def nobody() -> str:
    """An address where nothing answers."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Three files that are done."""
    paths = []
    for name, label in LABELS.items():
        path = os.fsencode(tmp_path / "t" / f"{name}.jpg")
        write(path, name.encode())
        paths.append((path, name.encode(), (prediction(label),)))
    classified(tmp_path / "out.csv.ledger", paths)
    return tmp_path / "out.csv"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--model", "x"), "--model says something only with --local"),
        (("--local", "--server", "http://x"), "--server says nothing with --local"),
        (("--local", "--key", "x"), "--key says nothing with --local"),
        (("--local", "--patience", "9"), "--patience says nothing with --local"),
        (("--local", "--concurrency", "32"), "--concurrency says nothing with --local"),
        (("--by", "link"), "--by says something only with --sort-into"),
        (("--threshold", "0.5"), "--threshold says something only with --sort-into"),
        (("--apply",), "--apply says something only with --sort-into"),
        (("--sort-into", "x", "-q"), "--quiet says something only with --apply"),
    ],
)
def test_what_would_be_left_aside_is_refused(
    out: Path, words: tuple[str, ...], why: str
) -> None:
    done = run("classify", "--out", out, *words)
    assert done.exit_code == Exit.CANNOT
    assert done.stderr.startswith(f"pictor: {why}; ")
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("labels", "--model", "x"), "--model says something only with --local"),
        (("labels", "--local", "--key", "x"), "--key says nothing with --local"),
        (
            ("sort", "o.csv", "--into", "d", "--labels", "x"),
            "--labels says something only with --taxonomy",
        ),
    ],
)
def test_so_it_is_by_the_other_words(words: tuple[str, ...], why: str) -> None:
    done = run(*words)
    assert (done.exit_code, done.stdout) == (Exit.CANNOT, "")
    assert done.stderr.startswith(f"pictor: {why}; ")


def test_what_the_environment_says_of_a_server_is_not_meant_for_local(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICTOR_URL", "http://elsewhere")
    monkeypatch.setenv("PICTOR_KEY", "x")
    monkeypatch.setenv("PICTOR_DATA_DIR", str(out.parent / "data"))
    done = run("classify", "--out", out, "--local")
    assert done.exit_code == Exit.DONE, done.stderr


def test_it_sorts_as_the_word_sort_does(out: Path, nobody: str) -> None:
    root = out.parent / "t"
    before = tree(root)
    line = ("classify", root, "--out", out, "--server", nobody)
    told = run(*line, "--sort-into", root / "s", "--by", "move")
    assert told.exit_code == Exit.DONE, told.stderr
    assert tree(root) == before
    sort = run("sort", out, "--into", root / "s", "--by", "move")
    assert told.stdout == sort.stdout
    assert "3 files would be put into" in told.stdout

    done = run(*line, "--sort-into", root / "s", "--by", "move", "--apply", "--json")
    assert done.exit_code == Exit.DONE, done.stderr
    plain = msgspec.json.decode(done.stdout)
    assert (plain["done"], plain["sorted"]["placed"]) == (3, 3)
    assert files_in(root) == ["s/drum/c.jpg", "s/tabby/a.jpg", "s/toy_terrier/b.jpg"]
    assert run("undo", out).exit_code == Exit.DONE
    assert tree(root) == before


def test_unless_told_otherwise_it_sorts_by_link(out: Path, nobody: str) -> None:
    line = ("classify", out.parent / "t", "--out", out, "--server", nobody)
    done = run(*line, "--sort-into", out.parent / "s", "--threshold", "0.95", "--apply")
    assert done.exit_code == Exit.DONE, done.stderr
    assert "3 files were put into" in done.stdout
    assert files_in(out.parent / "s") == [f"_review/{name}.jpg" for name in LABELS]
    assert (out.parent / "s/_review/a.jpg").samefile(out.parent / "t/a.jpg")


def test_what_stays_where_it_is_counts(out: Path, nobody: str) -> None:
    (out.parent / "t/a.jpg").unlink()
    line = ("classify", "--out", out, "--server", nobody, "-q", "--apply")
    done = run(*line, "--sort-into", out.parent / "s")
    assert (done.exit_code, done.stdout) == (Exit.SOME_FAILED, "")
    assert files_in(out.parent / "s") == ["drum/c.jpg", "toy_terrier/b.jpg"]


def test_where_it_cannot_be_sorted_is_said_before_the_work(
    out: Path, nobody: str
) -> None:
    file = out.parent / "file"
    file.write_text("")
    write(os.fsencode(out.parent / "t/new.jpg"), b"new")
    line = ("classify", out.parent / "t", "--out", out, "--server", nobody)
    done = run(*line, "--sort-into", file, "--apply")
    assert done.exit_code == Exit.CANNOT
    assert "file is a file; name a folder" in done.stderr
    assert run("sort", out, "--into", out.parent / "s", "--apply").exit_code == 0
    done = run(*line, "--sort-into", out.parent / "other", "--by", "copy", "--apply")
    assert done.exit_code == Exit.CANNOT
    assert "it is sorted into" in done.stderr
    with Ledger(ledger_of(out)) as ledger:
        assert ledger.counts()["left"] == 0  # it was not begun


@pytest.mark.parametrize("way", ["move", "link", "copy", "symlink"])
def test_what_was_sorted_is_neither_missing_nor_found_again(
    out: Path, nobody: str, way: str
) -> None:
    root = out.parent / "t"
    names = [root / f"{name}.jpg" for name in LABELS]
    line: list[str | Path] = ["classify", *names, root, "--out", out, "--json"]
    sort = ("--server", nobody, "--sort-into", root / "s", "--by", way, "--apply")
    first = msgspec.json.decode(run(*line, *sort).stdout)
    again = run(*line, *sort)
    assert again.exit_code == Exit.DONE, again.stderr
    second = msgspec.json.decode(again.stdout)
    assert (first["done"], second["done"]) == (3, 3)
    assert (second["failed"], second["left"], second["duplicates"]) == (0, 0, 0)
    assert (second["sorted"]["placed"], second["sorted"]["in_place"]) == (0, 3)
    assert second["found"] == second["found_done"]
    write(os.fsencode(root / "gone.jpg"), b"x")
    with Places(ledger_of(out)) as places:
        assert not places.is_moved(os.fsencode(root / "gone.jpg"))
        assert places.is_moved(os.fsencode(names[0])) == (way == "move")


def older(out: Path, *names: str) -> None:
    """Has some files answered by another model."""
    with sqlite3.connect(ledger_of(out)) as db:
        db.executemany(
            "UPDATE contents SET model = 'old', model_digest = 'o' WHERE label = ?",
            [(LABELS[name],) for name in names],
        )
    db.close()


def test_only_what_others_have_answered_is_left_to_do_again(out: Path) -> None:
    older(out, "a", "b")
    with Ledger(ledger_of(out)) as ledger:
        assert ledger.redo({"m-digest"}) == 2
        assert ledger.counts() == {"left": 2, "done": 1, "failed": 0}
        assert [row.content for row in ledger.rows("left")] == [None, None]
        assert ledger.known(b"", "") is None
        (kept,) = ledger.rows("done")
        assert kept.content is not None
        assert kept.content.model_digest == "m-digest"
        assert ledger.redo({"m-digest", "o"}) == 0


def test_redo_needs_to_know_who_answers_now(out: Path, nobody: str) -> None:
    older(out, "a")
    done = run("classify", "--out", out, "--server", nobody, "--redo")
    assert done.exit_code == Exit.GAVE_UP
    assert "does not say which model it serves" in done.stderr
    with Ledger(ledger_of(out)) as ledger:
        assert ledger.counts()["done"] == 3


def test_redo_does_not_lose_files_that_were_moved(out: Path, nobody: str) -> None:
    older(out, "a")
    sort = ("sort", out, "--into", out.parent / "s", "--by", "move", "--apply")
    assert run(*sort).exit_code == Exit.DONE
    done = run("classify", "--out", out, "--server", nobody, "--redo")
    assert done.exit_code == Exit.CANNOT
    assert "take that back with 'pictor undo OUT' first" in done.stderr
    with Ledger(ledger_of(out)) as ledger:
        assert ledger.counts()["done"] == 3
