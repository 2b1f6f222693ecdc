"""The page ``/feedback`` as a browser without JavaScript meets it, and what is taken away there."""

import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from common import keys, wire
from tests.support.pictures import distinct, photograph
from tests.support.reports import classified, line, problem, reported
from tests.support.system import System, with_model

pytestmark = pytest.mark.one_engine

COFFEE = photograph("coffee.png")


def test_nothing_secret_is_exported_or_shown(client: httpx.Client) -> None:
    token = reported(client, id=f"0-{'d' * 32}", verdict="right", answered="cup")
    secret = token.rpartition("-")[2]
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    archive = client.get("/feedback/pictures.zip").content
    with zipfile.ZipFile(io.BytesIO(archive)) as made:
        lines = made.read("reports.jsonl").decode()
    for text in (lines, client.get("/feedback").text):
        assert secret not in text
        assert hashed not in text


@pytest.mark.parametrize("path", ["export.jsonl", "pictures.zip"])
def test_exports_are_files_and_for_this_machine(
    client: httpx.Client, path: str
) -> None:
    answer = client.get(f"/feedback/{path}")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.head(f"/feedback/{path}").status_code == 200
    other = client.get(f"/feedback/{path}", headers={"X-Forwarded-For": "192.0.2.1"})
    assert other.status_code == 403
    assert "PICTOR_API_KEYS_FILE" in other.text


def test_a_form_without_javascript_names_a_category_and_is_taken_back(
    client: httpx.Client,
) -> None:
    request_id = classified(client, distinct(COFFEE))["id"]
    form = {"id": request_id, "label": "whatever", "report": " Coffee mug "}
    page = client.post("/feedback", data=form)
    assert page.status_code == 200
    assert "Thank you" in page.text
    found = line(client, request_id)
    assert found is not None
    assert (found["verdict"], found["answered"]) == ("wrong", "espresso")
    assert (found["label"], found["text"]) == ("coffee_mug", "")
    undo = re.search(r'name="undo" value="([^"]+)"', page.text)
    assert undo is not None
    assert "Taken back" in client.post("/feedback", data={"undo": undo[1]}).text
    assert line(client, request_id) is None
    again = client.post("/feedback", data={"undo": undo[1]})
    assert again.headers["Location"] == "/feedback?error=unknown-report"


def test_odd_bytes_in_a_form_are_no_bug(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"report=%ED%A0%80&label=%FF", b"report=%00&id=%00", b"undo=%FF"):
        answer = client.post("/feedback", content=body, headers=headers)
        assert answer.status_code in (200, 302)
        assert "unexpected" not in answer.headers.get("Location", "")


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[System]:
    """A system of its own, so that all its reports are this module's; it keeps no pictures."""
    folder = with_model(tmp_path_factory.mktemp("feedback"), prepared / "models")
    old = folder / "feedback" / f"{'a' * 64}.jpg"
    old.parent.mkdir()
    old.touch()
    with System(folder, engine="litert", workers=1, kept_pictures_days=0) as system:
        yield system


@pytest.fixture
def alone(apart: System) -> Iterator[httpx.Client]:
    with redis.Redis.from_url(apart.redis_url) as server:
        server.delete(keys.FEEDBACK)
    with httpx.Client(base_url=apart.url, timeout=30) as client:
        yield client


def test_before_there_are_reports_the_page_says_what_will_be_there(
    alone: httpx.Client,
) -> None:
    page = alone.get("/feedback")
    assert page.status_code == 200
    assert "No reports yet." in page.text
    for part in ("counts", "matrix", "calibration", "recent", "keeping"):
        assert page.text.count(f'data-part="{part}"') == 1
    assert "<table" not in page.text
    assert "style=" not in page.text


def test_where_no_pictures_are_kept_none_is(apart: System, alone: httpx.Client) -> None:
    """And what was kept before is gone."""
    token = reported(alone, id=f"0-{'a' * 32}", verdict="right", digest="b" * 64)
    put = alone.put(f"/v1/feedback/{token}/picture", content=COFFEE)
    problem(put, 403, "keeping-off")
    assert not list((apart.data_dir / "feedback").iterdir())
    assert "PICTOR_KEPT_PICTURES_DAYS=0" in alone.get("/feedback").text


def test_where_the_folder_cannot_be_read_that_is_said(
    apart: System, alone: httpx.Client
) -> None:
    folder = apart.data_dir / "feedback"
    aside = folder.rename(folder.with_name("aside"))
    folder.touch()
    try:
        page = alone.get("/feedback")
        assert page.status_code == 200
        assert 'data-code="cannot-keep"' in page.text
        for path in ("export.jsonl", "pictures.zip"):
            problem(alone.get(f"/feedback/{path}"), 507, "cannot-keep")
    finally:
        folder.unlink()
        aside.rename(folder)


def test_the_page_shows_what_was_reported(alone: httpx.Client) -> None:
    def say(number: int, verdict: str, **said: object) -> str:
        return reported(alone, id=f"0-{number:032x}", verdict=verdict, **said)

    for number in range(3):
        husky = {"answered": "Siberian_husky", "score": 0.85}
        say(number, "wrong", label="Eskimo_dog", **husky)
    say(0, "right", answered="Siberian_husky", score=0.85)
    last = say(9, "right", answered="tabby", score=0.95)
    page = alone.get("/feedback").text
    counts = between(page, '<table class="counts"', "</table>")
    assert cells(counts) == [
        ["Siberian husky", "1", "2", "33 %"],
        ["tabby", "1", "0", "100 %"],
        ["All", "2", "2", "50 %"],
    ]
    matrix = between(page, '<table class="matrix"', "</table>")
    assert re.findall(r'class="h5">(\d+)<', matrix) == ["2"]
    assert matrix.count('class="same"') == 2
    curve = between(page, '<svg data-part="calibration"', "</svg>")
    assert curve.count("<circle") == 2
    assert page.count("<caption") == 3
    assert "style=" not in page
    assert alone.delete(f"/v1/feedback/{last}").status_code == 204
    assert "tabby" not in alone.get("/feedback").text


def between(text: str, start: str, end: str) -> str:
    return text.split(start, 1)[1].split(end, 1)[0]


def cells(table: str) -> list[list[str]]:
    """The words in each row of a table, but its head."""
    found = []
    for row in re.findall(r"<tr.*?</tr>", table.split("</thead>")[1], re.DOTALL):
        inside = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        plain = (re.sub(r"<[^>]+>", "", one).replace("&nbsp;", " ") for one in inside)
        found.append([one.strip() for one in plain])
    return found


def test_as_many_reports_as_are_kept_are_shown_and_exported(
    apart: System, alone: httpx.Client
) -> None:
    with redis.Redis.from_url(apart.redis_url) as server:
        pipe = server.pipeline(transaction=False)
        for number in range(10_000):
            made = wire.Report(
                *(1, f"0-{number:032x}", "right" if number % 3 else "wrong", "cup"),
                *("" if number % 3 else "mortar", ""),
                score=number % 100 / 100,
            )
            pipe.xadd(keys.FEEDBACK, {"r": wire.encode(made)})
        pipe.execute()
    page = alone.get("/feedback")
    assert page.elapsed.total_seconds() < 5
    assert "6,666 right, 3,334 wrong" in page.text
    assert len(alone.get("/feedback/export.jsonl").text.splitlines()) == 10_000
