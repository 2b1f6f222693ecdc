"""What the network looked at, through the whole running system: right, in time, and behind other work."""

import asyncio
import base64
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from common import keys
from common.connections import Keeper
from common.keys import GROUP
from tests.support import faults
from tests.support.pictures import distinct, encoded, photograph
from tests.support.system import System, metric, with_model

MODEL = "efficientnet_lite0"
LATEST_S = 60  # for a map, the start of TensorFlow on a busy machine included
# Where the cup lies in scikit-image's coffee.png, 600 × 400 pixels, as seen on it: left, upper, right, lower.
# The rim and the coffee are above 210, the body and the handle below; saucer, spoon and table are outside.
CUP = (173, 18, 408, 308)
Answer = dict[str, Any]


@pytest.fixture(scope="module")
def explained(
    tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> Iterator[System]:
    """A system that nobody has asked for a map yet; marked pictures break its decoders."""
    folder = with_model(tmp_path_factory.mktemp("explained"), prepared / "models")
    system = System(folder, engine="litert", workers=1)
    with faults.install(system, tmp_path_factory.mktemp("faults")) as running:
        yield running


@pytest.fixture
def asking(explained: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=explained.url, timeout=30) as made:
        yield made


def fetched(client: httpx.Client, answer: httpx.Response) -> Answer:
    """The whole answer, also where it was 202 at first."""
    until = time.monotonic() + LATEST_S
    while answer.status_code == 202 and time.monotonic() < until:
        place = answer.headers.get("Location", answer.request.url.path)
        time.sleep(0.1)  # between two looks
        answer = client.get(place)
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


def ask(client: httpx.Client, picture: bytes, rank: int = 1) -> Answer:
    return fetched(client, client.post(f"/v1/classify?explain={rank}", content=picture))


def cells(answer: Answer) -> tuple[Any, Any, Any]:
    """Each cell's weight, all together 1, and its middle in fractions of the picture: x and y."""
    found = answer["map"]
    rows, columns = found["rows"], found["columns"]
    values = np.frombuffer(base64.b64decode(found["values"]), np.uint8)
    grid = values.reshape(rows, columns) / values.sum()
    assert values.max() == 255
    left, upper, width, height = found["box"]
    row, column = np.indices((rows, columns))
    x = left + width * (column + 0.5) / columns
    y = upper + height * (row + 0.5) / rows
    return grid, x, y


def middle(answer: Answer, size: tuple[int, int]) -> tuple[float, float]:
    """The map's centre of mass in pixels of a picture of this size."""
    grid, x, y = cells(answer)
    return float((grid * x).sum() * size[0]), float((grid * y).sum() * size[1])


def on_cup(x: Any, y: Any) -> Any:
    return (CUP[0] <= x) & (x <= CUP[2]) & (CUP[1] <= y) & (y <= CUP[3])


def coffee() -> Image.Image:
    return Image.open(io.BytesIO(photograph("coffee.png"))).convert("RGB")


def test_nothing_is_started_before_the_first_map_is_asked_for(
    explained: System, asking: httpx.Client
) -> None:
    """Then it is there, and gives way to all others."""
    plain = asking.post("/v1/classify", content=distinct(photograph("camera.png")))
    assert plain.json()["map"] is None
    assert explained.processes("inference explainer") == []
    ask(asking, distinct(photograph("camera.png")))
    (explainer,) = explained.processes("inference explainer")
    (worker,) = explained.processes("inference worker")
    assert explainer.nice() == min(19, worker.nice() + 10)


def test_for_espresso_it_looked_at_the_cup(asking: httpx.Client) -> None:
    answer = ask(asking, photograph("coffee.png"))
    assert answer["predictions"][0]["label"] == answer["map"]["label"] == "espresso"
    assert (answer["map"]["index"], answer["map"]["method"]) == (1, "cam")
    assert on_cup(*middle(answer, (600, 400)))
    grid, x, y = cells(answer)
    inside = on_cup(x * 600, y * 400)
    assert grid[inside].sum() > 0.8  # of a map that says nothing, 0.61 would lie there
    assert inside.mean() < 0.65


def test_it_looked_at_the_cup_where_that_is_not_in_the_middle(
    asking: httpx.Client,
) -> None:
    """The middle of what it saw is not on the cup."""
    wide, at = Image.new("RGB", (1000, 600), (90, 60, 40)), (350, 150)
    wide.paste(coffee(), at)
    answer = ask(asking, encoded(wide, "PNG"))
    assert answer["map"]["label"] == "espresso"
    assert not on_cup(500 - at[0], 300 - at[1])
    x, y = middle(answer, wide.size)
    assert on_cup(x - at[0], y - at[1])


def test_a_picture_that_lies_on_its_side_has_its_map_upright(
    asking: httpx.Client,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = coffee().transpose(Image.Transpose.ROTATE_90)
    picture = encoded(lying, "JPEG", exif=exif, quality=95)
    upright = middle(ask(asking, photograph("coffee.png")), (600, 400))
    assert middle(ask(asking, picture), (600, 400)) == pytest.approx(upright, abs=15)


def test_the_predictions_are_those_of_the_engine(asking: httpx.Client) -> None:
    """Asked for a map first, and by others bytes without: two networks, one answer."""
    for name in ("chelsea.png", "rocket.jpg", "motorcycle_left.png"):
        shown = ask(asking, distinct(photograph(name)), rank=2)
        plain = asking.post("/v1/classify", content=distinct(photograph(name))).json()
        assert not plain["cached"]
        labels = [one["label"] for one in shown["predictions"]]
        assert labels == [one["label"] for one in plain["predictions"]]
        assert [one["score"] for one in shown["predictions"]] == pytest.approx(
            [one["score"] for one in plain["predictions"]], abs=1e-4
        )
        assert shown["map"]["label"] == labels[1]
        assert shown["model_digest"] == plain["model_digest"]
        assert (shown["batch"], plain["batch"]) == (1, 1)
        assert shown["digest"] != plain["digest"]


def test_a_map_is_made_once(explained: System, asking: httpx.Client) -> None:
    picture = distinct(photograph("astronaut.png"))
    first = ask(asking, picture)
    made = metric(explained.metrics_url, "pictor_map_seconds_count")
    again = ask(asking, picture)
    assert (first["cached"], again["cached"]) == (False, True)
    for name in ("map", "predictions", "digest", "model_digest"):
        assert again[name] == first[name]
    assert again["batch"] == 0
    assert metric(explained.metrics_url, "pictor_map_seconds_count") == made
    assert ask(asking, picture, rank=2)["map"] != first["map"]


@pytest.mark.parametrize(
    "query",
    ["explain=0", "explain=6", "explain=2&top_k=1", "explain=21&top_k=20", "explain=x"],
)
def test_a_rank_that_no_prediction_has_is_refused(
    asking: httpx.Client, query: str
) -> None:
    answer = asking.post(f"/v1/classify?{query}", content=photograph("coffee.png"))
    assert (answer.status_code, answer.json()["type"]) == (400, "bad-parameter")


def test_a_picture_that_is_none_is_refused_as_ever(asking: httpx.Client) -> None:
    answer = asking.post(
        "/v1/classify?explain=1", content=photograph("coffee.png")[:5000]
    )
    assert (answer.status_code, answer.json()["type"]) == (400, "broken-image")


def test_a_picture_that_breaks_the_decoder_costs_itself_alone(
    explained: System, asking: httpx.Client
) -> None:
    ask(asking, distinct(photograph("rocket.jpg")))
    before = explained.processes("inference explainer")
    marked = faults.marked(photograph("rocket.jpg"), "abort")
    answer = asking.post("/v1/classify?explain=1", content=marked)
    assert (answer.status_code, answer.json()["type"]) == (422, "undecodable")
    again = ask(asking, distinct(photograph("rocket.jpg")))
    assert again["map"]["label"] == "missile"
    assert explained.processes("inference explainer") == before


async def test_the_explainer_is_killed_and_the_map_still_comes(
    explained: System, asking: httpx.Client
) -> None:
    """In the midst of it: the entry has been read, and is not ended yet."""
    for one in explained.processes("inference explainer"):
        one.kill()  # the next one has TensorFlow to load, which takes a while
        one.wait(10)
    link, stream = Keeper(explained.redis_url), keys.explanations(MODEL)
    picture = distinct(photograph("coffee.png"))
    accepted = await asyncio.to_thread(
        asking.post,
        "/v1/classify?explain=1",
        content=picture,
        headers={"Prefer": "respond-async"},
    )
    assert accepted.status_code == 202
    async with asyncio.timeout(LATEST_S):
        while not (await link.call("XPENDING", stream, GROUP))[0]:
            await asyncio.sleep(0.01)
    (killed,) = explained.processes("inference explainer")
    killed.kill()
    await asyncio.to_thread(killed.wait, 10)
    assert await link.call("XLEN", stream) == 1
    answer = await asyncio.to_thread(fetched, asking, accepted)
    assert answer["map"]["label"] == "espresso"
    assert await link.call("XLEN", stream) == 0
    await link.close()


@pytest.mark.alone
async def test_a_collection_goes_on_while_maps_are_made(explained: System) -> None:
    """It loses no more than what gives way takes from it: far from what a part of equal rank would."""
    async with httpx.AsyncClient(base_url=explained.url, timeout=60) as client:
        await client.post(
            "/v1/classify?explain=1", content=distinct(photograph("coffee.png"))
        )
        plain_s, beside_s = [], []
        for _ in range(2):  # others may use the machine
            plain_s.append(await collection_s(client, maps=0))
            beside_s.append(await collection_s(client, maps=8))
    assert min(beside_s) < 1.5 * min(plain_s)


async def collection_s(client: httpx.AsyncClient, maps: int) -> float:
    """Seconds that a collection of 150 takes while maps are asked for."""
    pictures = [distinct(photograph("coffee.png")) for _ in range(150)]
    started = time.monotonic()
    gate = asyncio.Semaphore(32)

    async def one(picture: bytes) -> None:
        async with gate:
            answer = await client.post("/v1/classify?lane=bulk", content=picture)
            assert answer.status_code == 200, answer.text

    async def looked() -> None:
        picture = distinct(photograph("coffee.png"))
        answer = await client.post("/v1/classify?explain=1", content=picture)
        assert answer.status_code in (200, 202)

    looking = [asyncio.create_task(looked()) for _ in range(maps)]
    await asyncio.gather(*map(one, pictures))
    seconds = time.monotonic() - started
    await asyncio.gather(*looking)
    return seconds


def test_switched_off_it_says_so(tmp_path: Path, prepared: Path) -> None:
    """And all the rest is as ever."""
    data_dir = with_model(tmp_path / "data", prepared / "models")
    with System(data_dir, engine="litert", workers=1, explain="off") as system:
        coffee = photograph("coffee.png")
        refused = httpx.post(f"{system.url}/v1/classify?explain=1", content=coffee)
        assert (refused.status_code, refused.json()["type"]) == (503, "no-explainer")
        plain = httpx.post(f"{system.url}/v1/classify", content=coffee)
        assert plain.json()["predictions"][0]["label"] == "espresso"
        assert system.processes("inference explainer") == []
        started = psutil.Process(system.process.pid).children(recursive=True)
        assert system.stop() == 0
        assert [one for one in started if one.is_running()] == []
