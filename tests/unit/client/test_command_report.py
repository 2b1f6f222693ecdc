from pathlib import Path

import pytest
from typer.testing import CliRunner

from client.command.main import app
from tests.support import ledgers


def test_a_report_lies_beside_the_output_or_where_it_is_wanted(tmp_path: Path) -> None:
    ledgers.generated(tmp_path / "answers.csv.ledger", 300)
    out = str(tmp_path / "answers.csv")
    said = CliRunner().invoke(app, ["report", out])
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout.startswith(f"{tmp_path / 'answers.report.html'}: 300 files, ")
    assert "<!doctype html>" in (tmp_path / "answers.report.html").read_text()
    to = tmp_path / "other.html"
    said = CliRunner().invoke(app, ["report", out, "--to", str(to), "--thumbnails=0"])
    assert said.exit_code == 0
    assert to.exists()


def test_it_says_what_is_missing(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["report", str(tmp_path / "answers.csv")])
    assert said.exit_code == 2
    assert "answers.csv.ledger is not there" in said.stderr
    ledgers.generated(tmp_path / "answers.csv.ledger", 10)
    to = str(tmp_path / "missing" / "report.html")
    said = CliRunner().invoke(
        app, ["report", str(tmp_path / "answers.csv"), "--to", to]
    )
    assert said.exit_code == 2
    assert said.stderr.endswith("cannot be written: No such file or directory\n")


@pytest.mark.parametrize("name", ["answers.csv.ledger", "answers.csv"])
def test_it_is_not_written_over_the_collection(tmp_path: Path, name: str) -> None:
    ledgers.generated(tmp_path / "answers.csv.ledger", 10)
    (tmp_path / "answers.csv").write_text("path\n")
    before = (tmp_path / name).read_bytes()
    line = ["report", str(tmp_path / "answers.csv"), "--to", str(tmp_path / name)]
    said = CliRunner().invoke(app, line)
    assert said.exit_code == 2
    assert "choose another --to" in said.stderr
    assert (tmp_path / name).read_bytes() == before
