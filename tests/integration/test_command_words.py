"""The command's smaller words beside a whole system: report, labels, feedback export, doctor."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gateway import api_keys
from tests.support.pictures import distinct, photograph
from tests.support.reports import classified, reported
from tests.support.system import ROOT, System, environment, with_model

pytestmark = pytest.mark.one_engine

COFFEE = photograph("coffee.png")


def pictor(
    folder: Path, *words: str, **settings: object
) -> subprocess.CompletedProcess[str]:
    """Runs the command as a user would, in a folder of their own."""
    return subprocess.run(
        [sys.executable, "-m", "client.command.main", *words],
        cwd=folder,
        env=environment(**settings) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_report_on_what_a_server_has_classified(
    system: System, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "b.png"):
        (photos / name).write_bytes(COFFEE)
    (photos / "broken.png").write_bytes(COFFEE[:700])
    out = str(tmp_path / "answers.csv")
    done = pictor(
        tmp_path, "classify", str(photos), "--out", out, "--server", system.url
    )
    assert done.returncode == 1, done.stderr  # one has failed
    done = pictor(tmp_path, "report", out)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "answers.report.html").read_text()
    assert "2 files" in page
    assert page.count("data:image/jpeg;base64,") == 2  # as unsure, and as a duplicate
    assert "<code>broken-image</code>" in page


def test_labels_are_those_of_the_model_that_is_served(
    system: System, tmp_path: Path
) -> None:
    done = pictor(tmp_path, "labels", "espresso", "--server", system.url)
    assert done.returncode == 0, done.stderr
    assert "n07920052  espresso" in done.stdout
    local = pictor(tmp_path, "labels", "espresso", "--local")
    assert local.stdout == done.stdout
    none = pictor(tmp_path, "labels", "unicorn", "--server", system.url)
    assert (none.returncode, none.stdout) == (1, "")


def test_reports_and_kept_pictures_are_exported(
    system: System, client: httpx.Client, tmp_path: Path
) -> None:
    picture = distinct(COFFEE)
    answer = classified(client, picture)
    token = reported(client, id=answer["id"], verdict="wrong", label="cup")
    kept = client.put(f"/v1/feedback/{token}/picture", content=picture)
    assert kept.status_code == 201, kept.text
    done = pictor(
        tmp_path,
        *("feedback", "export", "--server", system.url),
        *("--out", "mine.jsonl", "--pictures", "mine.zip"),
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "mine.jsonl").read_text().splitlines()
    assert f"mine.jsonl: {len(lines):,} reports, " in done.stdout
    mine = next(
        line for line in map(json.loads, lines) if line["request_id"] == answer["id"]
    )
    assert (mine["label"], mine["kept"]) == ("cup", True)
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        assert archive.read(f"cup/{mine['digest']}.png") == picture
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("mine.jsonl", "mine.zip")
    ]


def test_a_file_that_cannot_be_written_is_said(system: System, tmp_path: Path) -> None:
    done = pictor(
        tmp_path,
        *("feedback", "export", "--server", system.url),
        *("--out", "missing/reports.jsonl"),
    )
    assert done.returncode == 2
    assert done.stderr == (
        "pictor: missing/reports.jsonl cannot be written: No such file or directory\n"
    )


def test_a_running_system_is_in_order(system: System, tmp_path: Path) -> None:
    settings = {"data_dir": system.data_dir, "port": system.port}
    done = pictor(tmp_path, "doctor", **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert f"ok    Server    {system.url} is ready\n" in done.stdout
    assert "ok    Workers   2 of efficientnet_lite0 (" in done.stdout
    assert "it is running" in done.stdout
    named = pictor(tmp_path, "doctor", "--server", system.url, "--json", **settings)
    checks = {one["name"]: one for one in json.loads(named.stdout)["checks"]}
    assert checks["Workers"]["state"] == "ok"
    assert checks["Model"]["state"] == "ok"


@dataclass
class Locked:
    """A system that wants keys, and two of them."""

    url: str
    classify: str
    admin: str


@pytest.fixture(scope="module")
def locked(
    tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> Iterator[Locked]:
    folder = tmp_path_factory.mktemp("locked")
    file = folder / "keys.toml"
    classify = api_keys.add(file, "alice", ("classify",), None)
    admin = api_keys.add(file, "operator", ("admin",), None)
    data_dir = with_model(folder / "data", prepared / "models")
    with System(data_dir, engine="litert", workers=1, api_keys_file=file) as system:
        yield Locked(system.url, classify, admin)


def test_reports_are_given_to_those_with_the_right_key(
    locked: Locked, tmp_path: Path
) -> None:
    words = ("feedback", "export", "--server", locked.url)
    nobody = pictor(tmp_path, *words)
    assert nobody.returncode == 3
    assert "scope admin; give one: PICTOR_KEY, or --key" in nobody.stderr
    wrong = pictor(tmp_path, *words, key="not-one")
    assert wrong.returncode == 3
    assert "this key is none of its keys" in wrong.stderr
    alice = pictor(tmp_path, *words, key=locked.classify)
    assert alice.returncode == 3
    assert "It needs a key with the scope admin." in alice.stderr
    assert not list(tmp_path.iterdir())
    operator = pictor(tmp_path, *words, key=locked.admin)
    assert operator.returncode == 0, operator.stderr
    assert operator.stdout == "reports.jsonl: 0 reports, 0 bytes\n"


def test_the_doctor_says_when_a_key_is_wanted(locked: Locked, tmp_path: Path) -> None:
    done = pictor(tmp_path, "doctor", "--server", locked.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warn  Workers" in done.stdout
    done = pictor(tmp_path, "doctor", "--server", locked.url, key=locked.classify)
    assert "ok    Workers   1 of efficientnet_lite0 (litert)" in done.stdout
