"""The bench of large ledgers, with a few rows: every step of it goes through what it is about."""

import csv
import json
from pathlib import Path

import pytest

from bench import ledger
from client.command.terms import Exit, ledger_of
from common.errors import StartError

ROWS = 1_200


def test_every_step_ends_as_it_should_and_is_seen(tmp_path: Path) -> None:
    made = ledger.Collection(tmp_path, ROWS)
    seen = {step.name: ledger.taken(step) for step in ledger.steps(made)}
    assert len(seen) == 8
    assert all(one.seconds > 0 and one.megabytes > 20 for one in seen.values())

    with (tmp_path / "answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = (tmp_path / "answers.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert [row["path"] for row in rows] == [row["path"] for row in told]
    assert [row["path"] for row in rows] == made.list.read_text().splitlines()
    # The files are as the ledger has them: none was taken for another, and none for missing.
    assert [row["status"] for row in told].count("left") == 1
    assert [row["status"] for row in told].count("failed") == ROWS / 100
    with (tmp_path / "begun.csv").open(newline="") as file:
        assert {row["status"] for row in csv.DictReader(file)} == {"left"}
    assert (tmp_path / "answers.report.html").exists()
    assert ledger_of(tmp_path / "answers.jsonl").exists()


def test_a_step_that_ends_otherwise_is_told_with_what_it_said(tmp_path: Path) -> None:
    line = ("status", str(tmp_path / "none.csv"))
    with pytest.raises(StartError, match=r"status: exit status 2: .*no run has been"):
        ledger.taken(ledger.Step("status", line, 1, Exit.DONE))
