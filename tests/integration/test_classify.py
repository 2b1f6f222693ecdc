"""The main job, through the whole running system, under both engines."""

import asyncio
import re

import httpx
import pytest

from tests.support.pictures import distinct, photograph
from tests.support.system import System

PHOTOGRAPHS = {
    "coffee.png": {"espresso"},
    "camera.png": {"tripod"},
    "chelsea.png": {"tiger_cat", "Egyptian_cat", "tabby"},
    "motorcycle_left.png": {"moped"},
    "rocket.jpg": {"missile", "projectile"},
}
STAGES = ["upload", "queue", "decode", "inference", "reply"]


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_gets_its_category(client: httpx.Client, name: str) -> None:
    answer = client.post("/predict", files={"file": photograph(name)})
    assert answer.status_code == 200
    assert list(answer.json()) == ["success", "prediction", "score"]
    assert answer.json()["success"] is True
    assert answer.json()["prediction"] in PHOTOGRAPHS[name]
    assert 0 < answer.json()["score"] <= 1


def test_all_ways_of_sending_agree(client: httpx.Client) -> None:
    """As a form field, as a raw body, under /v1 and on the page: one picture, one answer."""
    coffee = photograph("coffee.png")
    form = client.post(
        "/predict", files={"file": ("c.png", coffee, "image/png")}
    ).json()
    raw = client.post(
        "/predict", content=coffee, headers={"Content-Type": "image/png"}
    ).json()
    curl = client.post(
        "/predict",
        content=coffee,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ).json()
    full = client.post("/v1/classify?top_k=3", content=coffee).json()
    page = client.post("/", files={"file": coffee})
    assert form == raw == curl
    assert form["prediction"] == full["predictions"][0]["label"] == "espresso"
    assert form["score"] == pytest.approx(full["predictions"][0]["score"], abs=1e-4)
    assert form["score"] == pytest.approx(0.95, abs=0.03)
    assert "espresso" in page.text


def test_the_full_answer_says_where_the_time_went(
    client: httpx.Client, system: System
) -> None:
    answer = client.post(
        "/v1/classify?top_k=7", content=distinct(photograph("coffee.png"))
    )
    body = answer.json()
    assert answer.status_code == 200
    assert re.fullmatch(r"0-[0-9a-f]{32}", body["id"])
    assert body["model"] == "efficientnet_lite0"
    assert body["cached"] is False
    scores = [one["score"] for one in body["predictions"]]
    assert len(scores) == 7
    assert scores == sorted(scores, reverse=True)
    assert list(body["timing_ms"]) == STAGES
    assert body["timing_ms"]["inference"] > 1
    assert re.findall(r"(\w+);dur=", answer.headers["Server-Timing"]) == STAGES


def test_a_known_picture_is_answered_from_the_cache(client: httpx.Client) -> None:
    picture = distinct(photograph("camera.png"))
    first = client.post("/v1/classify?top_k=5", content=picture).json()
    again = client.post("/v1/classify?top_k=2", content=picture).json()
    assert (first["cached"], again["cached"]) == (False, True)
    assert again["predictions"] == first["predictions"][:2]
    assert again["id"] != first["id"]


async def test_32_clients_at_once_each_get_their_own_answer(
    async_client: httpx.AsyncClient, system: System
) -> None:
    """Distinct pictures of different things, all at once: no answer reaches another's client."""
    names = [*PHOTOGRAPHS] * 26

    async def one(name: str) -> tuple[str, str]:
        picture = distinct(photograph(name))
        answer = await async_client.post("/predict", files={"file": picture})
        return name, answer.json()["prediction"]

    gate = asyncio.Semaphore(32)

    async def gated(name: str) -> tuple[str, str]:
        async with gate:
            return await one(name)

    before = _batches(system)
    answers = await asyncio.gather(*(gated(name) for name in names))
    images, batches = (b - a for a, b in zip(before, _batches(system), strict=True))
    assert [
        (name, label) for name, label in answers if label not in PHOTOGRAPHS[name]
    ] == []
    assert images == len(names)
    assert images / batches > 1, "32 at once travel in batches of more than one"


def _batches(system: System) -> tuple[float, float]:
    """Images run and batches run so far."""
    text = httpx.get(system.metrics_url).text
    sums = re.findall(
        r"^pictor_batch_size_images_(sum|count) ([0-9.e+]+)$", text, re.MULTILINE
    )
    values = {kind: float(value) for kind, value in sums}
    return values.get("sum", 0.0), values.get("count", 0.0)


async def test_equal_pictures_at_once_are_run_once(
    async_client: httpx.AsyncClient, system: System
) -> None:
    picture = distinct(photograph("chelsea.png"))
    before, _ = _batches(system)
    answers = await asyncio.gather(
        *(async_client.post("/v1/classify", content=picture) for _ in range(12))
    )
    after, _ = _batches(system)
    assert {one.status_code for one in answers} == {200}
    assert len({str(one.json()["predictions"]) for one in answers}) == 1
    assert after - before == 1


async def test_a_client_that_leaves_takes_its_work_along(
    async_client: httpx.AsyncClient, system: System
) -> None:
    """Those who hang up are withdrawn; those who stay are answered; the backlog ends empty."""
    pictures = [distinct(photograph("coffee.png")) for _ in range(48)]
    tasks = [
        asyncio.create_task(async_client.post("/predict", files={"file": picture}))
        for picture in pictures
    ]
    await asyncio.wait(tasks[:4], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks[24:]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    stayed = [one for one in answers[:24] if isinstance(one, httpx.Response)]
    assert [one.json()["prediction"] for one in stayed] == ["espresso"] * 24
    await _until_backlog_is_empty(async_client)


async def _until_backlog_is_empty(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(20):
        while True:
            text = (await client.get("/metrics")).text
            counts = re.findall(
                r"^pictor_backlog_entries\{.*\} ([0-9.]+)$", text, re.MULTILINE
            )
            waiting = re.findall(
                r"^pictor_waiting_requests ([0-9.]+)$", text, re.MULTILINE
            )
            if {float(one) for one in counts + waiting} == {0.0}:
                return


def test_what_is_served_is_told(client: httpx.Client, system: System) -> None:
    models = client.get("/v1/models").json()["models"]
    assert [(one["name"], one["workers"]) for one in models] == [
        ("efficientnet_lite0", 2)
    ]
    assert models[0]["images_per_s"] > 1
    assert len(client.get("/v1/labels").json()["labels"]) == 1000
    huskies = client.get("/v1/labels", params={"q": "husky"}).json()["labels"]
    assert {one["label"] for one in huskies} == {"Eskimo_dog", "Siberian_husky"}


def test_health_and_metrics(client: httpx.Client, system: System) -> None:
    client.post("/predict", files={"file": distinct(photograph("coffee.png"))})
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").json()["status"] == "ok"
    gateway, workers = client.get("/metrics").text, httpx.get(system.metrics_url).text
    for name in ("requests_total", "backlog_entries", "reply_seconds", "workers"):
        assert f"\npictor_{name}" in gateway, name
    for name in (
        "batch_size_images",
        "queue_wait_seconds",
        "decode_seconds",
        "inference_seconds",
    ):
        assert f"\npictor_{name}" in workers, name


def test_every_answer_can_be_traced(client: httpx.Client) -> None:
    """A client's request id comes back; without one, or with a bad one, it gets one of ours."""
    given = client.get("/healthz", headers={"X-Request-ID": "order-66"})
    assert given.headers["X-Request-ID"] == "order-66"
    for bad in ("", "a b", "x" * 200):
        answer = client.get("/healthz", headers={"X-Request-ID": bad})
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-ID"])
    refused = client.post("/predict")
    assert refused.headers["X-Request-ID"]
    assert refused.headers["Server-Timing"]
