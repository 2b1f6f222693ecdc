from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from client.command.main import app
from tests.support.system import free_port


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PICTOR_URL", "PICTOR_KEY"):
        monkeypatch.delenv(name, raising=False)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["feedback", "export", *words])


def test_a_server_that_is_away_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "reports.jsonl").write_text("from before\n")
    said = run("--server", f"http://127.0.0.1:{free_port()}")
    assert said.exit_code == 3
    assert "Connection refused" in said.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["reports.jsonl"]
    assert (tmp_path / "reports.jsonl").read_text() == "from before\n"


def test_an_address_that_is_none_is_wrong_usage() -> None:
    for server in ("nowhere", "http://", "http://[::1"):
        said = run("--server", server)
        assert said.exit_code == 2, said.output
        assert "is no address" in said.stderr
