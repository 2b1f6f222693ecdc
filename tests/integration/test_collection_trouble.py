"""``pictor classify`` where something is wrong: said in a line, and nothing is lost."""

import os
import signal
import subprocess
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from client.collection.ledger import Ledger
from client.collection.local import IN_HAND, TOGETHER
from tests.support.collection import (
    beyond,
    check_whole,
    command,
    done,
    fill,
    finished,
    reached,
    rows,
)
from tests.support.system import free_port, with_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    return with_model(tmp_path_factory.mktemp("local"), prepared / "models")


def test_a_server_that_is_away_is_told_and_what_is_done_is_kept(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 3)
    away = f"http://127.0.0.1:{free_port()}"
    line = ("classify", folder, "--out", out, "--server", away, "--patience", 1)
    code, _, err = finished(command(*line, data_dir=tmp_path))
    assert code == 3
    assert "The same command goes on from here" in err
    assert Counter(row["status"] for row in rows(out)) == {"left": 3}


def tear(path: Path) -> None:
    """Makes a ledger of which all but the first page is damaged."""
    with Ledger(path):
        pass
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def test_interrupted_while_a_server_is_away_it_does_not_wait_for_it(
    tmp_path: Path,
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 3)
    away = f"http://127.0.0.1:{free_port()}"
    line = ("classify", folder, "--out", out, "--server", away)
    process = command(*line, data_dir=tmp_path)
    assert process.stderr is not None
    said = [process.stderr.readline(), process.stderr.readline()]
    assert said[1].startswith("pictor: waiting for the server: Connection refused")
    process.send_signal(signal.SIGTERM)
    code, _, _ = finished(process)
    assert code == 130
    assert Counter(row["status"] for row in rows(out)) == {"left": 3}


def first_child(process: subprocess.Popen[str]) -> int:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return int(listed.split()[0])


def check_goes_on_after_a_death(
    process: subprocess.Popen[str], out: Path, folder: Path, models: Path
) -> None:
    code, _, err = finished(process)
    assert code == 3
    assert "was killed" in err.splitlines()[-1]
    assert "never retrieved" not in err
    kept = Counter(row["status"] for row in rows(out))
    assert kept["done"] > 0
    assert kept["failed"] == 0
    line = ("classify", folder, "--out", out, "--local")
    code, _, err = finished(command(*line, data_dir=models))
    assert code == 0
    check_whole(out, folder)


def test_a_process_that_is_killed_costs_no_more_than_itself(
    tmp_path: Path, models: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 240)
    process = command("classify", folder, "--out", out, "--local", data_dir=models)
    assert reached(process, lambda: done(out) > 0)
    os.kill(first_child(process), signal.SIGKILL)
    check_goes_on_after_a_death(process, out, folder, models)


def test_pictures_that_wait_for_a_process_that_is_killed_are_kept(
    tmp_path: Path, models: Path
) -> None:
    """It is stopped first, so that the pipe to it is full."""
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 240)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes() + bytes(500_000))  # behind the picture's end
    line = ("classify", folder, "--out", out, "--local")
    process = command(*line, data_dir=models, workers=2)
    assert reached(process, lambda: done(out) > 0)
    child = first_child(process)
    os.kill(child, signal.SIGSTOP)
    assert reached(process, partial(beyond, out, done(out) + IN_HAND * TOGETHER))
    os.kill(child, signal.SIGKILL)
    check_goes_on_after_a_death(process, out, folder, models)


def test_batches_are_no_larger_than_they_are_set_to_be(
    tmp_path: Path, models: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 20)
    line = ("classify", folder, "--out", out, "--local")
    code, _, err = finished(command(*line, data_dir=models, max_batch=2))
    assert code == 0, err
    check_whole(out, folder)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("classify", "x", "--out", "answers.xlsx"), "ends in none of"),
        (("classify", "x", "--out", "/no/such/answers.csv"), "make it first"),
        (("status", "/tmp/none.csv"), "no run has been begun"),
        (
            ("classify", "docs/images", "-o", "{}/a.csv", "--server", "x"),
            "is no address",
        ),
        (("classify", "--manifest", "/none.txt", "--out", "{}/a.csv"), "No such file"),
        (("classify", "--manifest", "{}/list.csv", "-o", "{}/list.csv"), "to be read"),
        (("classify", "docs", "--out", "{}/folder.csv"), "is a folder"),
        (("classify", "docs", "--out", "{}/held.csv"), "cannot be written"),
        (("classify", "--out", "{}/a.csv"), "nothing to classify"),
        (("status", "{}/torn.csv"), "it cannot go on"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    (tmp_path / "list.csv").write_text("path\n1.png\n")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "held.csv.lock").mkdir()
    tear(tmp_path / "torn.csv.ledger")
    given = [word.replace("{}", str(tmp_path)) for word in words]
    code, _, err = finished(command(*given, data_dir=tmp_path))
    assert code == 2
    assert why in err
    assert len(err.splitlines()) == 1
