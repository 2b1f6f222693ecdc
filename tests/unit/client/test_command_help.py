"""What the command says of itself, to people and to shells."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from client.command.main import app

COMPLETING = """
eval "$(pictor --show-completion)"
for line in "pictor so" "pictor classify --sort-i" "pictor sort out.csv --by "; do
  read -ra COMP_WORDS <<< "$line"
  [[ $line == *" " ]] && COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  _pictor_completion pictor
  echo "${COMPREPLY[@]}"
done
"""


def test_a_shell_completes_the_command() -> None:
    done = subprocess.run(
        ["bash", "-c", COMPLETING],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    told = ["sort", "--sort-into", "link symlink copy move"]
    assert done.stdout.splitlines() == told


def words_of(name: str) -> str:
    """A command's help, its lines as one."""
    done = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    return " ".join(done.stdout.replace("│", " ").split())


@pytest.mark.parametrize(
    "name", ["classify", "status", "report", "labels", "doctor", "sort", "undo"]
)
def test_help_says_it_all_by_itself(name: str) -> None:
    told = words_of(name)
    assert "README" not in told
    assert "Exit status: 0 " in told
    assert f" {name} " in words_of("")
