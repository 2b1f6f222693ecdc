"""``/v1/feedback`` through a whole system: stored with what is known, taken back, kept."""

import asyncio
import hashlib
import io
import time
import zipfile
from typing import Any

import httpx
import pytest

from tests.support.pictures import distinct, photograph
from tests.support.reports import classified, line, problem, reported
from tests.support.system import System

pytestmark = pytest.mark.one_engine

COFFEE = photograph("coffee.png")
NOT_ONE = f"1-0-{'0' * 32}"


def kept(system: System) -> list[str]:
    folder = system.data_dir / "feedback"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def test_what_is_known_of_an_answer_is_stored_with_the_report(
    client: httpx.Client,
) -> None:
    picture = distinct(COFFEE)
    answer = classified(client, picture)
    request_id = answer["id"]
    reported(
        client,
        id=request_id,
        verdict="wrong",
        label="cup",
        text=" mine ",
        answered="zebra",
        score=0.001,
        model_digest="0" * 16,
        digest="0" * 64,
    )
    found = line(client, request_id)
    assert found is not None
    assert found.pop("when")
    best = answer["predictions"][0]
    assert found.pop("score") == pytest.approx(best["score"], abs=1e-5)
    assert found == {
        "request_id": request_id,
        "verdict": "wrong",
        "answered": best["label"],
        "label": "cup",
        "text": "mine",
        "model_digest": answer["model_digest"],
        "digest": hashlib.sha256(picture).hexdigest(),
        "kept": False,
    }


def test_of_an_answer_that_is_gone_the_reporters_word_is_stored(
    client: httpx.Client,
) -> None:
    said = {
        "id": f"0-{'b' * 32}",
        "verdict": "right",
        "answered": "tabby",
        "score": 0.25,
        "model_digest": "ab12",
        "digest": "c" * 64,
    }
    reported(client, **said)
    found = line(client, str(said["id"]))
    assert found is not None
    assert found == {**found, **{k: said[k] for k in said.keys() - {"id"}}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": "kettle drum"},
        {"label": "Cup"},
        {"verdict": "right", "label": "no such thing"},
        {"label": "cup", "answered": "cup"},
        {"score": 1.01},
        {"score": -0.01},
        {"score": "high"},
        {"digest": "A" * 64},
        {"digest": "a" * 63},
        {"digest": "a" * 63 + "\n"},
        {"model_digest": "xyz"},
        {"model_digest": "a" * 65},
        {"answered": "a" * 201},
        {"text": "a" * 2001},
        {"id": "0" * 60 + "-" + "a" * 32},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(client: httpx.Client, wrong: dict[str, Any]) -> None:
    right = {"id": f"0-{'a' * 32}", "verdict": "wrong", "label": "cup"}
    problem(client.post("/v1/feedback", json=right | wrong), 400, "bad-parameter")


def test_an_unknown_category_is_told_where_to_look(client: httpx.Client) -> None:
    said = {"id": f"0-{'a' * 32}", "verdict": "wrong", "label": "coffee"}
    answer = client.post("/v1/feedback", json=said)
    assert "/v1/labels?q=" in answer.json()["detail"]


def test_a_report_is_taken_back_once(client: httpx.Client) -> None:
    request_id = classified(client, distinct(COFFEE))["id"]
    token = reported(client, id=request_id, verdict="right")
    forged = token[:-32] + "0" * 32
    problem(client.delete(f"/v1/feedback/{forged}"), 404, "unknown-report")
    assert line(client, request_id) is not None
    gone = client.delete(f"/v1/feedback/{token}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert line(client, request_id) is None
    problem(client.delete(f"/v1/feedback/{token}"), 404, "unknown-report")


@pytest.mark.parametrize("token", [NOT_ONE, "x", "%2e%2e", "1-0", "9" * 100])
def test_what_is_no_token_is_unknown(client: httpx.Client, token: str) -> None:
    problem(client.delete(f"/v1/feedback/{token}"), 404, "unknown-report")
    put = client.put(f"/v1/feedback/{token}/picture", content=COFFEE)
    problem(put, 404, "unknown-report")


def test_a_picture_is_kept_with_its_report_and_goes_with_it(
    client: httpx.Client, system: System
) -> None:
    picture = distinct(COFFEE)
    request_id = classified(client, picture)["id"]
    token = reported(client, id=request_id, verdict="wrong", label="cup")
    path = f"/v1/feedback/{token}/picture"
    name = f"{hashlib.sha256(picture).hexdigest()}.png"
    problem(client.put(path, content=distinct(COFFEE)), 400, "other-picture")
    problem(client.put(path, content=b"no picture"), 400, "not-an-image")
    assert client.put(path, content=b"").status_code == 400
    assert name not in kept(system)
    answer = client.put(path, content=picture, headers={"Content-Type": "image/png"})
    assert answer.status_code == 201
    until = time.strptime(answer.json().pop("until"), "%Y-%m-%dT%H:%M:%S+00:00")
    assert 29.9 < (time.mktime(until) - time.mktime(time.gmtime())) / 86_400 < 30.1
    assert answer.json() == answer.json() | {"id": request_id, "kept": True}
    assert name in kept(system)
    found = line(client, request_id)
    assert found is not None
    assert found["kept"]
    with zipfile.ZipFile(
        io.BytesIO(client.get("/feedback/pictures.zip").content)
    ) as made:
        assert made.read(f"cup/{name}") == picture
        assert request_id in made.read("reports.jsonl").decode()
    assert client.delete(f"/v1/feedback/{token}").status_code == 204
    assert name not in kept(system)
    problem(client.put(path, content=picture), 404, "unknown-report")


def test_another_sites_page_can_do_nothing_here(client: httpx.Client) -> None:
    token = reported(client, id=f"0-{'e' * 32}", verdict="right", answered="cup")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        taken = client.delete(f"/v1/feedback/{token}", headers=headers)
        problem(taken, 403, "cross-site")
        path = f"/v1/feedback/{token}/picture"
        put = client.put(path, content=COFFEE, headers=headers)
        problem(put, 403, "cross-site")
    assert client.delete(f"/v1/feedback/{token}").status_code == 204


async def test_whoever_is_first_nothing_of_a_report_that_is_taken_back_stays(
    async_client: httpx.AsyncClient, client: httpx.Client, system: System
) -> None:
    """A picture may arrive while its report is taken back."""
    for _ in range(10):
        picture = distinct(COFFEE)
        digest = hashlib.sha256(picture).hexdigest()
        said = {"id": f"0-{digest[:32]}", "verdict": "right", "digest": digest}
        token = reported(client, **said)
        path = f"/v1/feedback/{token}"
        put, gone = await asyncio.gather(
            async_client.put(f"{path}/picture", content=picture),
            async_client.delete(path),
        )
        assert put.status_code in (201, 404)
        assert gone.status_code == 204
        assert f"{digest}.png" not in kept(system)
