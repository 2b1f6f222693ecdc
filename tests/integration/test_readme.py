"""What README says is so."""

import json
import re
import subprocess

import pytest

from common.settings import Settings
from tests.support.pictures import photograph
from tests.support.system import ROOT, System

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def test_it_opens_with_one_sentence_one_command_one_answer() -> None:
    opening = README.split("\n\n")
    assert opening[0] == "# Pictor"
    assert opening[1].count(". ") == 0
    assert "curl -F file=@dog.jpeg" in opening[2]


def test_every_make_target_it_names_exists_and_every_one_is_named() -> None:
    named = set(re.findall(r"^\| `make ([a-z-]+)", README, re.MULTILINE))
    there = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert named <= there
    assert there - named <= {"setup", "clean", "help"}


def test_every_setting_stands_in_its_table_with_its_default() -> None:
    table: dict[str, str] = {}
    for names, defaults, _ in re.findall(
        r"^\| (`PICTOR_.*?) \| (.*?) ?\| (.*) \|$", README, re.M
    ):
        values = [one.strip("` ") for one in defaults.split(",")]
        table |= dict(zip(re.findall(r"PICTOR_\w+", names), values, strict=True))
    assert table == {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in Settings().by_name().items()
    }


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"^\$ (curl .*)$", README, re.MULTILINE)))
)
def test_its_curl_commands_work(
    system: System, tmp_path_factory: pytest.TempPathFactory, command: str
) -> None:
    folder = tmp_path_factory.mktemp("readme")
    (folder / "dog.jpeg").write_bytes(photograph("coffee.png"))
    done = subprocess.run(
        ["bash", "-c", command.replace("localhost:8000", f"127.0.0.1:{system.port}")],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    assert "espresso" in json.dumps(json.loads(done.stdout))
