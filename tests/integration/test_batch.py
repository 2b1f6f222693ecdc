"""Several pictures in one request: each ends as it would alone."""

import io

import httpx
import pytest
from PIL import Image

from gateway.routes.batch import MOST
from tests.support.pictures import distinct, encoded, photograph

GOOD = {"coffee.png": "espresso", "chelsea.png": None, "rocket.jpg": None}


def form(*pictures: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", (f"{n}.jpg", data)) for n, data in enumerate(pictures)]


def tiny() -> bytes:
    """A picture of few bytes, and no other like it."""
    return distinct(encoded(Image.new("RGB", (40, 30), "teal"), "PNG"))


def test_each_ends_by_itself_in_the_order_of_the_pictures(client: httpx.Client) -> None:
    good = [distinct(photograph(name)) for name in GOOD]
    cut = distinct(photograph("coffee.png"))[:9000]
    given = [good[0], b"words", good[1], cut, b"", good[2], good[0]]
    told = client.post("/v1/batch?top_k=3", files=form(*given))
    assert told.status_code == 200
    results = told.json()["results"]
    assert [one["status"] for one in results] == [200, 400, 200, 400, 400, 200, 200]
    refused = [one["problem"]["type"] for one in results if "problem" in one]
    assert refused == ["not-an-image", "broken-image", "empty-file"]
    for place in (0, 2, 5, 6):
        alone = client.post("/v1/classify?top_k=3", content=given[place]).json()
        answer = results[place]["answer"]
        assert alone["cached"]
        for name in ("predictions", "digest", "model", "model_digest"):
            assert answer[name] == alone[name]
    assert results[0]["answer"]["predictions"][0]["label"] == "espresso"
    assert results[0]["answer"]["phash"] is None


def test_a_perceptual_hash_of_each(client: httpx.Client) -> None:
    pictures = [distinct(photograph(name)) for name in GOOD]
    told = client.post("/v1/batch?phash=1", files=form(*pictures)).json()["results"]
    hashes = {one["answer"]["phash"] for one in told}
    assert len(hashes) == len(GOOD)
    assert {len(one) for one in hashes} == {16}


def test_as_many_as_may_be_and_no_more(client: httpx.Client) -> None:
    told = client.post("/v1/batch", files=form(*(tiny() for _ in range(MOST))))
    assert [one["status"] for one in told.json()["results"]] == [200] * MOST
    told = client.post("/v1/batch", files=form(*(tiny() for _ in range(MOST + 1))))
    assert (told.status_code, told.json()["type"]) == (413, "too-many")
    assert str(MOST) in told.json()["detail"]


@pytest.mark.parametrize(
    ("query", "sent", "status", "code"),
    [
        ("", {"content": b"\xff\xd8\xff raw"}, 400, "no-file"),
        ("", {"files": [("other", b"x")]}, 400, "no-file"),
        ("", {"files": [("x", b"x")] * 95 + form(*[b"x"] * 10)}, 400, "no-file"),
        ("top_k=99", {"files": form(b"x")}, 400, "bad-parameter"),
        ("lane=fast", {"files": form(b"x")}, 400, "bad-parameter"),
        ("phash=perhaps", {"files": form(b"x")}, 400, "bad-parameter"),
        ("", {"files": form(bytes(15_000_000), bytes(15_000_000))}, 413, "too-large"),
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(
    client: httpx.Client, query: str, sent: dict[str, object], status: int, code: str
) -> None:
    told = client.post(f"/v1/batch?{query}", **sent)  # type: ignore[arg-type]
    assert (told.status_code, told.json()["type"]) == (status, code)


def test_it_is_for_sending_alone(client: httpx.Client) -> None:
    assert client.get("/v1/batch").status_code == 405


def test_pictures_on_their_side_and_of_one_pixel_are_no_trouble(
    client: httpx.Client,
) -> None:
    with Image.open(io.BytesIO(photograph("chelsea.png"))) as image:
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = encoded(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    pixel = distinct(encoded(Image.new("RGB", (1, 1), "red"), "PNG"))
    told = client.post("/v1/batch?phash=1", files=form(distinct(turned), pixel))
    results = told.json()["results"]
    assert [one["status"] for one in results] == [200, 200]
    assert results[1]["answer"]["phash"] is None  # there is nothing to tell it by
