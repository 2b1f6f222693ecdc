"""What is wrong with a request is said clearly; what is merely odd is classified."""

import io
import re

import httpx
import pytest
from PIL import Image

from tests.support.pictures import distinct, encoded, huge_png, photograph

FAILURE = {"success": False, "prediction": None, "score": None}
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>'


def _coffee() -> Image.Image:
    return Image.open(io.BytesIO(photograph("coffee.png"))).convert("RGB")


def _jpeg() -> bytes:
    return encoded(_coffee(), "JPEG")


def _rotated() -> bytes:
    """Stored lying on its side, with the EXIF tag that says how to turn it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(_coffee().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)


def _animated() -> bytes:
    first = _coffee().quantize(255)
    other = Image.new("P", first.size)
    return encoded(first, "GIF", save_all=True, append_images=[other, other])


def _palette_with_alpha() -> bytes:
    image = _coffee().convert("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    return encoded(image.quantize(255), "PNG")


def _sixteen_bit() -> bytes:
    return encoded(
        _coffee().convert("L").convert("I").point(lambda v: v * 257).convert("I;16"),
        "PNG",
    )


BAD = {
    "empty file": (b"", 400, "empty-file"),
    "text named .jpg": (b"this is no picture", 400, "not-an-image"),
    "truncated": (lambda: _jpeg()[:9000], 400, "broken-image"),
    "only a signature": (b"\xff\xd8\xff\xe0", 400, "broken-image"),
    "SVG": (SVG, 415, "unsupported-format"),
    "TIFF": (lambda: encoded(_coffee(), "TIFF"), 415, "unsupported-format"),
    "30,000 x 30,000": (lambda: huge_png(30_000), 422, "too-many-pixels"),
    "40 MB": (lambda: b"\xff\xd8\xff" + bytes(40_000_000), 413, "too-large"),
}
ODD = {
    "CMYK": lambda: encoded(_coffee().convert("CMYK"), "JPEG"),
    "16 bit": _sixteen_bit,
    "palette with alpha": _palette_with_alpha,
    "animated GIF": _animated,
    "EXIF rotated": _rotated,
    "WebP": lambda: encoded(_coffee(), "WEBP"),
    "grey with alpha": lambda: encoded(_coffee().convert("LA"), "PNG"),
    "progressive": lambda: encoded(_coffee(), "JPEG", progressive=True),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("path", ["/predict", "/v1/classify", "/"])
def test_bad_input_is_told_what_is_wrong(
    client: httpx.Client, name: str, path: str
) -> None:
    picture, status, code = BAD[name]
    data = picture() if callable(picture) else picture
    answer = client.post(path, files={"file": ("x.jpg", data, "image/jpeg")})
    _check(answer, path, status, code)
    assert (
        client.post("/predict", files={"file": photograph("coffee.png")}).status_code
        == 200
    )


@pytest.mark.parametrize("path", ["/predict", "/v1/classify", "/"])
@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"data": {"x": "1"}},
        {"files": {"picture": b"\xff\xd8\xff"}},
        {"files": {"file": ("", b"", "application/octet-stream")}},
        {
            "content": b"--",
            "headers": {"Content-Type": "multipart/form-data; boundary=a"},
        },
        {"content": b"", "headers": {"Content-Type": "multipart/form-data"}},
    ],
)
def test_a_request_without_a_file(
    client: httpx.Client, sent: dict[str, object], path: str
) -> None:
    _check(client.post(path, **sent), path, 400, "no-file")  # type: ignore[arg-type]


def test_a_body_without_length(client: httpx.Client) -> None:
    answer = client.post("/predict", content=iter([photograph("coffee.png")]))
    _check(answer, "/predict", 411, "length-required")


def _check(answer: httpx.Response, path: str, status: int, code: str) -> None:
    if path == "/":
        assert answer.status_code == 302
        assert answer.headers["Location"] == f"/?error={code}"
        return
    assert answer.status_code == status
    assert answer.headers["X-Error-Code"] == code
    assert re.fullmatch(r"[\x20-\x7e]{10,200}", answer.headers["X-Error-Detail"])
    if path == "/predict":
        assert answer.json() == FAILURE
    else:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["type"] == code
        assert answer.json()["status"] == status
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_are_classified(client: httpx.Client, name: str) -> None:
    answer = client.post("/predict", files={"file": ODD[name]()})
    assert answer.status_code == 200
    expected = {
        "espresso",
        "cup",
        "coffee_mug",
        "eggnog",
    }  # a grey or 255-colour cup is a cup still
    assert answer.json()["prediction"] in expected


@pytest.mark.parametrize(
    "query", ["top_k=0", "top_k=21", "top_k=x", "lane=fast", "lane=bulk&top_k=-1"]
)
def test_a_wrong_parameter(client: httpx.Client, query: str) -> None:
    answer = client.post(
        f"/v1/classify?{query}", content=distinct(photograph("coffee.png"))
    )
    _check(answer, "/v1/classify", 400, "bad-parameter")


def test_the_bulk_lane_answers_too(client: httpx.Client) -> None:
    answer = client.post(
        "/v1/classify?lane=bulk", content=distinct(photograph("coffee.png"))
    )
    assert answer.json()["predictions"][0]["label"] == "espresso"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/predict", 405),
        ("PUT", "/predict", 405),
        ("DELETE", "/v1/classify", 405),
        ("GET", "/nothing", 404),
        ("GET", "/v1/results/0-" + "0" * 32, 404),
        ("GET", "/v1/results/../../etc", 404),
        ("GET", "/docs/assets/index.html", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", f"/static/{'a' * 300}", 404),
        ("GET", f"/static/{'a/' * 3000}", 404),
    ],
)
def test_what_is_not_there(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["X-Error-Code"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b'{"id": "x", "verdict": "right"}',
        b'{"id": "0-' + b"a" * 32 + b'", "verdict": "maybe"}',
        b'{"id": "0-'
        + b"a" * 32
        + b'", "verdict": "right", "label": "'
        + b"x" * 300
        + b'"}',
    ],
)
def test_bad_feedback(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/v1/feedback", content=body)
    _check(answer, "/v1/feedback", 400, "bad-parameter")
