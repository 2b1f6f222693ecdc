import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from client.collection import lock
from client.collection.ledger import Ledger
from client.collection.records import Found
from client.command.main import app
from client.command.terms import Exit, lock_of
from tests.support.sorted_files import classified, files_in, prediction, tree, write
from tests.support.system import ROOT

LABELS = {"a": "tabby", "b": "toy_terrier", "c": "drum"}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Three files in three categories, and a drum that nobody is sure of."""
    paths = []
    for name, label in {**LABELS, "unsure": "drum"}.items():
        path = os.fsencode(tmp_path / "t" / "c" / f"{name}.jpg")
        write(path, name.encode())
        score = 0.4 if name == "unsure" else 0.9
        paths.append((path, name.encode(), (prediction(label, score),)))
    classified(tmp_path / "out.csv.ledger", paths)
    return tmp_path / "out.csv"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_first_it_is_told_then_done_then_undone(out: Path) -> None:
    root = out.parent / "t"
    before = tree(root)
    sort = ("sort", out, "--into", root / "s", "--by", "move")
    told = run(*sort)
    assert told.exit_code == Exit.DONE
    assert "4 files would be put into" in told.stdout
    assert f"{root}/c/a.jpg -> {root}/s/tabby/a.jpg" in told.stdout
    assert "Nothing was done. Do it with --apply." in told.stdout
    assert tree(root) == before

    done = run(*sort, "--apply")
    assert done.exit_code == Exit.DONE
    assert "4 files were put into" in done.stdout
    assert files_in(root) == [
        *("s/_review/unsure.jpg", "s/drum/c.jpg"),
        *("s/tabby/a.jpg", "s/toy_terrier/b.jpg"),
    ]
    again = run(*sort, "--apply")
    assert "0 files were put" in again.stdout
    assert "4 are in their place already" in again.stdout

    assert "4 files would be taken back" in run("undo", out, "--dry-run").stdout
    undone = run("undo", out)
    assert undone.exit_code == Exit.DONE
    assert "4 files were taken back, 5 empty folders removed" in undone.stdout
    assert tree(root) == before
    assert run("undo", out).exit_code == Exit.DONE


def test_a_taxonomy_and_what_it_leaves_out(out: Path) -> None:
    own, labels = out.with_name("own.csv"), out.with_name("labels.csv")
    own.write_text("label,category\n*terrier*,Pets/Dogs\ntabby,Pets/Cats\ntaby,Cats\n")
    labels.write_text("wnid,label\nn1,tabby\nn2,drum\n")
    sort = ("sort", out, "--into", out.parent / "t/s", "--by", "copy")
    told = run(*sort, "--taxonomy", own, "--labels", labels, "--threshold", "0.3")
    assert "The taxonomy leaves out 1 labels; their files go to _other:" in told.stdout
    assert "        2  drum" in told.stdout
    assert "1 names of the taxonomy are of no label known here: taby" in told.stdout
    plain = run(*sort, "--taxonomy", own, "--threshold", "0.3", "--json", "--apply")
    found = msgspec.json.decode(plain.stdout)
    assert found["folders"] == {"_other": 2, "Pets/Cats": 1, "Pets/Dogs": 1}
    assert (found["placed"], found["left_out"]) == (4, {"drum": 2})
    assert files_in(out.parent / "t/s")[0] == "Pets/Cats/a.jpg"


def test_what_stays_where_it_is_is_told_and_counts(out: Path) -> None:
    (out.parent / "t/c/a.jpg").unlink()
    with Ledger(out.with_name("out.csv.ledger")) as ledger:
        ledger.found([Found(b"/nowhere/x.jpg", 1, 1)])
    sort = ("sort", out, "--into", out.parent / "t/s", "--by", "link")
    assert run(*sort).exit_code == Exit.DONE
    done = run(*sort, "--apply")
    assert done.exit_code == Exit.SOME_FAILED
    assert "1: It is not there any more. The first: " in done.stdout
    assert "1 have failed or are left to classify" in done.stdout
    (out.parent / "t/s/drum/c.jpg").unlink()
    (out.parent / "t/s/drum/c.jpg").write_bytes(b"another's")
    undone = run("undo", out)
    assert undone.exit_code == Exit.SOME_FAILED
    assert "1: What is there now is not what was put there" in undone.stdout
    assert "2 folders are not empty and stay:" in undone.stdout


def test_it_does_not_start_without_a_ledger_or_beside_another(
    out: Path, tmp_path: Path
) -> None:
    sort = ("sort", out, "--into", tmp_path / "s", "--by", "link")
    with lock.held(lock_of(out)):
        assert run(*sort).exit_code == Exit.DONE  # it only looks
        for words in ((*sort, "--apply"), ("undo", out)):
            refused = run(*words)
            assert refused.exit_code == Exit.CANNOT
            assert "at work on this output already" in refused.stderr
    nowhere = run("undo", tmp_path / "no.csv")
    assert nowhere.exit_code == Exit.CANNOT
    assert "no run has been begun" in nowhere.stderr
    assert not lock_of(tmp_path / "no.csv").exists()
    assert run("sort", out, "--into", "x", "--by", "mail").exit_code == Exit.CANNOT
    wrong = run(*sort, "--taxonomy", tmp_path / "no.csv")
    assert wrong.exit_code == Exit.CANNOT
    assert "no.csv: it cannot be read" in wrong.stderr


def test_a_name_cannot_command_the_terminal(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path / "t/c") + b"/\x1b[31m\n\xff.jpg"
    write(name, b"x")
    classified(tmp_path / "o.csv.ledger", [(name, b"x", (prediction("cat"),))])
    told = run("sort", tmp_path / "o.csv", "--into", tmp_path / "s", "--by", "copy")
    assert "/\\x1b[31m\\x0a\\udcff.jpg" in told.stdout
    assert "\x1b[31m" not in told.stdout


KILLED = """
import os, sys
from client.collection import moves
from client.command.main import app

at, calls, rename = int(sys.argv.pop(1)), [0], moves.rename_new

def dying(old, new):
    calls[0] += 1
    if calls[0] == at:
        os.kill(os.getpid(), {signal})
    rename(old, new)

moves.rename_new = dying
app()
"""


def interrupted(number: signal.Signals, at: int, *words: str | Path) -> int:
    """The command, which gets a signal before its at-th file moves; its exit status."""
    code = KILLED.format(signal=int(number))
    command = [sys.executable, "-c", code, str(at), *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True
    ).returncode


@pytest.mark.parametrize("at", [1, 3])
def test_kill_and_then_undo_or_go_on(out: Path, at: int) -> None:
    root = out.parent / "t"
    before = tree(root)
    sort = ("sort", out, "--into", root / "s", "--by", "move", "--apply")
    assert interrupted(signal.SIGKILL, at, *sort) == -signal.SIGKILL
    assert len(files_in(root / "s")) == at - 1
    assert run("undo", out).exit_code == Exit.DONE
    assert tree(root) == before
    assert interrupted(signal.SIGKILL, at, *sort) == -signal.SIGKILL
    assert run(*sort).exit_code == Exit.DONE
    assert len(files_in(root / "s")) == 4


def test_an_interrupt_ends_it_in_order(tmp_path: Path) -> None:
    paths = []
    for number in range(250):
        path = os.fsencode(tmp_path / f"t/c/{number:03}.jpg")
        write(path, b"%d" % number)
        paths.append((path, b"%d" % number, (prediction("cat"),)))
    classified(tmp_path / "o.csv.ledger", paths)
    out, into = tmp_path / "o.csv", tmp_path / "t/s"
    sort = ("sort", out, "--into", into, "--by", "move", "--apply")
    assert interrupted(signal.SIGINT, 20, *sort) == Exit.INTERRUPTED
    assert len(files_in(into)) == 100
    assert run(*sort).exit_code == Exit.DONE
    assert len(files_in(into)) == 250
