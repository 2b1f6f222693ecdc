"""``pictor classify`` as a user runs it: a process of its own, stopped in every way."""

import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.collection import (
    PATIENCE_S,
    beyond,
    check_whole,
    command,
    done,
    fill,
    finished,
    reached,
    rows,
)
from tests.support.corpus import (
    SEED,
    bombs,
    colours,
    damage,
    exif,
    foreign,
    headers,
)
from tests.support.load import small
from tests.support.pictures import distinct, photograph
from tests.support.system import ROOT, System, with_model

NO_NAME = dict.fromkeys(map(ord, "/\\\0"))
FILES = 480  # so many that three kills come before the last


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> Iterator[System]:
    data_dir = with_model(tmp_path_factory.mktemp("server"), prepared / "models")
    with System(data_dir, engine="litert", workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    return with_model(tmp_path_factory.mktemp("local"), prepared / "models")


@pytest.fixture(params=["--local", "--server"])
def way(request: pytest.FixtureRequest, server: System) -> list[str]:
    if request.param == "--server":
        return ["--server", server.url, "--concurrency", "4"]
    return ["--local"]


def test_each_kind_of_file_ends_in_its_row(
    tmp_path: Path, way: list[str], models: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 8)
    (folder / "again.jpg").write_bytes((folder / "000-coffee.jpg").read_bytes())
    (folder / "torn.png").write_bytes(photograph("coffee.png")[:5000])
    (folder / "words.jpg").write_text("these are words")
    (folder / "photo.heic").write_bytes(b"x")
    (folder / "notes.txt").write_bytes(b"x")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("in/camera.jpg", distinct(small("camera.png")))
        archive.writestr("../up.jpg", small("camera.png"))
    code, told, err = finished(
        command("classify", folder, "--out", out, "--json", *way, data_dir=models)
    )
    assert code == 1, err
    summary = json.loads(told)
    assert summary["done"] == 10
    assert summary["failed"] == 4
    assert (summary["left"], summary["duplicates"], summary["skipped"]) == (0, 1, 1)
    assert summary["classified"] == 9
    by_name = {Path(row["path"]).name: row for row in rows(out)}
    assert len(by_name) == len(rows(out)) == 14
    assert by_name["again.jpg"]["label_1"] == "espresso"
    # Of equal files the one that comes first by name is the original.
    assert by_name["again.jpg"]["duplicate_of"] == str(folder / "000-coffee.jpg")
    assert "damaged" in by_name["torn.png"]["reason"]
    assert "not a picture" in by_name["words.jpg"]["reason"]
    assert "HEIC" in by_name["photo.heic"]["reason"]
    assert "out of the archive" in by_name["up.jpg"]["reason"]
    assert by_name["camera.jpg"]["label_1"] == "tripod"


def test_both_ways_say_the_same_of_every_broken_file(
    tmp_path: Path, server: System, models: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    some = itertools.islice(damage.files(SEED), 0, None, 8)  # much of it is alike
    others = (headers, exif, bombs, foreign, colours)
    each = itertools.chain(some, *(one.files() for one in others))
    for name, data in (("nothing", b""), *each):
        (folder / (name.translate(NO_NAME)[:80] + ".jpg")).write_bytes(data)
    ends: list[dict[str, tuple[str, ...]]] = []
    for way in (["--local"], ["--server", server.url]):
        out = tmp_path / f"{len(ends)}.jsonl"
        line = ("classify", folder, "--out", out, *way)
        code, _, err = finished(command(*line, data_dir=models))
        assert code == 1, err
        told = ("status", "reason", "label_1", "duplicate_of")
        ends.append(
            {row["path"]: tuple(str(row[one]) for one in told) for row in rows(out)}
        )
    assert len(ends[0]) == len(list(folder.iterdir()))
    assert ends[0] == ends[1]
    assert {status for status, *_ in ends[0].values()} == {"done", "failed"}
    assert len({reason for _, reason, *_ in ends[0].values()}) > 5


def test_killed_at_three_moments_it_goes_on_where_it_stopped(
    tmp_path: Path, way: list[str], models: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, FILES)
    line = ("classify", folder, "--out", out, "--json", *way)
    kills = 0
    for _ in range(3):
        before = done(out)
        process = command(*line, data_dir=models)
        kills += reached(process, functools.partial(beyond, out, before))
        process.kill()
        process.communicate()
    code, told, err = finished(command(*line, data_dir=models))
    assert code == 0, err
    assert kills == 3
    summary = json.loads(told)
    assert summary["done"] == FILES
    assert 0 < summary["found_done"] < FILES
    assert summary["classified"] == FILES - summary["found_done"]
    check_whole(out, folder)
    code, told, _ = finished(command("status", out, "--json", data_dir=models))
    assert code == 0
    expected = {"left": 0, "done": FILES, "failed": 0, "duplicates": 0}
    assert json.loads(told) == {"complete": True, **expected}


def test_interrupted_it_ends_in_order_and_goes_on(
    tmp_path: Path, way: list[str], models: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 240)
    line = ("classify", folder, "--out", out, *way)
    process = command(*line, data_dir=models)
    assert reached(process, lambda: done(out) > 0)
    process.send_signal(signal.SIGINT)
    code, _, err = finished(process)
    assert code == 130, err
    found = rows(out)
    assert len(found) == 240
    states = Counter(row["status"] for row in found)
    assert 0 < states["done"] < 240
    assert states["left"] == 240 - states["done"]
    code, _, err = finished(command(*line, data_dir=models))
    assert code == 0
    assert f"{states['done']} of them done already" in err
    check_whole(out, folder)


def test_changed_files_are_done_again_new_ones_added_and_failed_ones_retried(
    tmp_path: Path, server: System
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 4)
    (folder / "x-camera.jpg").write_bytes(b"not yet")
    line = ("classify", folder, "--out", out, "--json", "--server", server.url)
    code, told, _ = finished(command(*line, data_dir=tmp_path))
    assert (code, json.loads(told)["failed"]) == (1, 1)
    status = (folder / "x-camera.jpg").stat()
    changed = folder / "000-coffee.jpg"
    changed.rename(folder / "000-camera.jpg")
    (folder / "000-camera.jpg").rename(changed)
    changed.write_bytes(distinct(small("coffee.png")))
    os.utime(changed, ns=(1, status.st_mtime_ns + 1))
    (folder / "new-coffee.jpg").write_bytes(distinct(small("coffee.png")))
    code, told, _ = finished(command(*line, data_dir=tmp_path))
    summary = json.loads(told)
    assert (code, summary["classified"], summary["found_done"]) == (1, 2, 3)
    (folder / "x-camera.jpg").write_bytes(small("camera.png"))
    code, told, _ = finished(command(*line, "--retry-failed", data_dir=tmp_path))
    assert (code, json.loads(told)["done"]) == (0, 6)
    check_whole(out, folder)


def test_two_runs_on_one_output_are_refused(tmp_path: Path, server: System) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 60)
    line = ("classify", folder, "--out", out, "--server", server.url)
    first = command(*line, "--concurrency", 1, data_dir=tmp_path)
    assert reached(first, lambda: done(out) > 0)
    first.send_signal(signal.SIGSTOP)  # lest it ends before the other has begun
    code, _, err = finished(command(*line, data_dir=tmp_path))
    first.send_signal(signal.SIGCONT)
    assert code == 2
    assert f"process {first.pid} is at work on this output" in err
    assert finished(first)[0] == 0


def test_names_come_from_standard_input_and_lists(
    tmp_path: Path, server: System
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.csv"
    fill(folder, 4)
    paths = sorted(folder.iterdir())
    (tmp_path / "list.csv").write_text(f"id,path\n1,{paths[2]}\n2,in/{paths[3].name}\n")
    process = subprocess.run(
        [
            *(sys.executable, "-m", "client.command.main", "classify", "-"),
            *("--manifest", tmp_path / "list.csv", "--out", out),
            *("--server", server.url, "--quiet"),
        ],
        cwd=ROOT,
        input=f"{paths[0]}\0{paths[1]}\0".encode(),
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert process.stdout == process.stderr == b""
    assert len(out.read_text().splitlines()) == 5


def test_a_companys_own_categories_are_columns(tmp_path: Path, server: System) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 4)
    own = tmp_path / "own.csv"
    own.write_text("label,category\nespresso,Drinks\n*cat,Pets\ntabby,Pets\n")
    line = ("classify", folder, "--out", out, "--server", server.url)
    code, _, err = finished(command(*line, "--taxonomy", own, data_dir=tmp_path))
    assert code == 0, err
    found = {Path(row["path"]).stem[4:]: row for row in rows(out)}
    assert found["coffee"]["category"] == "Drinks"
    assert found["chelsea"]["category"] == "Pets"
    assert found["chelsea"]["category_score"] > found["chelsea"]["score_1"]
    assert found["camera"]["category"] is None
