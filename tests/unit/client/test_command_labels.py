import json

import pytest
from typer.testing import CliRunner, Result

from client.command.main import app
from tests.support.system import free_port


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PICTOR_URL", "PICTOR_KEY", "PICTOR_MODEL"):
        monkeypatch.delenv(name, raising=False)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["labels", *words])


def test_categories_are_found_by_any_of_their_names() -> None:
    eskimo = "n02109961  Eskimo_dog      husky\n"
    assert run("husky", "--local").stdout.startswith(eskimo)
    for text in ("eskimo dog", "ESKIMO_DOG", "n02109961"):
        assert run(text, "--local").stdout.split() == [
            *("n02109961", "Eskimo_dog", "husky")
        ]
    assert run("--local").stdout.count("\n") == 1000


def test_they_are_told_as_json() -> None:
    said = run("eskimo", "--local", "--json")
    assert json.loads(said.stdout) == {
        "model": "efficientnet_lite0",
        "labels": [
            {"wnid": "n02109961", "label": "Eskimo_dog", "description": "husky"}
        ],
    }


def test_none_is_no_success() -> None:
    said = run("unicorn", "--local")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "is called like 'unicorn'" in said.stderr
    said = run("unicorn", "--local", "--json")
    assert (said.exit_code, said.stderr) == (1, "")
    assert json.loads(said.stdout)["labels"] == []


def test_what_cannot_be_asked_is_said_with_a_way_out() -> None:
    said = run("--server", f"http://127.0.0.1:{free_port()}")
    assert said.exit_code == 3
    assert "Connection refused" in said.stderr
    assert "--local" in said.stderr
    said = run("--server", "127.0.0.1:8000")
    assert said.exit_code == 2
    assert "begins with http://" in said.stderr
    said = run("--local", "--model", "./nowhere")
    assert said.exit_code == 2
    assert "nowhere" in said.stderr
