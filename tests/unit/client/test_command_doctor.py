import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from client.command import examining
from client.command.finding import Finding
from client.command.main import app
from common.settings import Settings
from tests.support.server import Server
from tests.support.system import free_port

Doctor = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Doctor:
    """Runs it in an empty folder with these settings: its exit code, and what it found by name."""
    for name in [name for name in os.environ if name.startswith("PICTOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICTOR_PORT", str(free_port()))

    def run(*words: str, **settings: object) -> tuple[int, dict[str, Any]]:
        for name, value in settings.items():
            monkeypatch.setenv(f"PICTOR_{name.upper()}", str(value))
        said = CliRunner().invoke(app, ["doctor", "--json", *words])
        assert said.exception is None or isinstance(said.exception, SystemExit)
        told = json.loads(said.stdout)
        assert told["ok"] == (said.exit_code == 0)
        return said.exit_code, {one["name"]: one for one in told["checks"]}

    return run


def test_a_machine_where_nothing_runs_yet_is_in_order(doctor: Doctor) -> None:
    code, found = doctor()
    assert code == 0
    assert list(found) == [
        *("Python", "Packages", "Settings", "Data", "Model", "Machine", "Redis"),
        "Server",
    ]
    assert {one["state"] for one in found.values()} <= {"ok", "warn"}
    assert found["Model"]["state"] == "warn"
    assert "has not been converted yet" in found["Model"]["found"]
    assert "Valkey" in found["Redis"]["found"]
    assert "make run" in found["Server"]["advice"]


def test_lines_for_people_have_the_advice_below(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = CliRunner().invoke(app, ["doctor"])
    assert said.exit_code == 0
    lines = said.stdout.splitlines()
    assert lines[0].startswith("ok    Python    3.")
    assert lines[-2].startswith("warn  Server    none runs at http://127.0.0.1:")
    assert lines[-1].startswith(" " * 16 + "Start one: make run.")


def test_a_misspelt_setting_fails_and_the_rest_is_looked_at(doctor: Doctor) -> None:
    code, found = doctor(wrokers=2)
    assert code == 1
    assert found["Settings"]["state"] == "fail"
    assert "did you mean PICTOR_WORKERS?" in found["Settings"]["found"]
    assert found["Redis"]["state"] == "ok"


def test_a_file_of_settings_that_is_none_fails(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PICTOR_PORT=\xff\xfe\n")
    code, found = doctor()
    assert code == 1
    assert found["Settings"]["state"] == "fail"


def test_being_open_to_all_is_warned_of(doctor: Doctor) -> None:
    code, found = doctor(host="0.0.0.0")
    assert code == 0
    assert found["Settings"]["state"] == "warn"
    assert "PICTOR_API_KEYS_FILE" in found["Settings"]["advice"]
    assert "127.0.0.1" in found["Server"]["found"]


def test_a_data_folder_that_cannot_be_made_fails(
    doctor: Doctor, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    code, found = doctor(data_dir=tmp_path / "file" / "data")
    assert code == 1
    assert found["Data"]["state"] == "fail"
    assert "PICTOR_DATA_DIR" in found["Data"]["advice"]


def test_a_disk_that_is_nearly_full_fails(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    settings = Settings(data_dir=str(tmp_path / "data"))
    (found,) = examining.data(settings, least=free + 10**12)
    assert found.state == "fail"
    assert found.advice.startswith("Make room")
    (found,) = examining.data(settings, least=1)
    assert found.state == "ok"
    assert "to be made" in found.found
    assert not (tmp_path / "data").exists()


def test_a_model_that_there_is_not_fails(doctor: Doctor) -> None:
    code, found = doctor(model="./nowhere")
    assert code == 1
    assert found["Model"]["state"] == "fail"


def test_a_converted_model_is_ready(doctor: Doctor, prepared: Path) -> None:
    _, found = doctor(data_dir=prepared)
    assert found["Model"]["state"] == "ok"


def test_a_redis_that_is_away_fails_without_its_password(doctor: Doctor) -> None:
    code, found = doctor(redis_url=f"redis://:secret@127.0.0.1:{free_port()}")
    assert code == 1
    assert found["Redis"]["state"] == "fail"
    assert "secret" not in json.dumps(found)
    assert "PICTOR_REDIS_URL" in found["Redis"]["advice"]
    code, found = doctor(redis_url="nonsense")
    assert found["Redis"]["state"] == "fail"


def test_a_redis_that_forgets_is_warned_of(doctor: Doctor) -> None:
    with Server() as server:
        code, found = doctor(redis_url=server.url)
    assert code == 0
    assert found["Redis"]["state"] == "warn"
    assert found["Redis"]["advice"].startswith("set ")


def test_a_server_that_was_named_and_is_away_fails(doctor: Doctor) -> None:
    code, found = doctor("--server", f"http://127.0.0.1:{free_port()}")
    assert code == 1
    assert found["Server"]["state"] == "fail"
    assert "Connection refused" in found["Server"]["found"]
    code, found = doctor("--server", "nowhere")
    assert (code, found["Server"]["state"]) == (1, "fail")


def test_what_nobody_thought_of_is_a_finding() -> None:
    def broken() -> list[Finding]:
        raise ZeroDivisionError("of all things")

    (found,) = examining.guarded("Stars", broken)
    assert (found.name, found.state) == ("Stars", "fail")
    assert "ZeroDivisionError: of all things" in found.found
