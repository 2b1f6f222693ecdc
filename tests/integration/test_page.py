"""The pages, as a browser without JavaScript meets them."""

import base64
import io
import re

import httpx
import pytest
from PIL import Image

from common.errors import BY_CODE
from tests.support.pictures import distinct, photograph

POLICY = "default-src 'none'"


def test_the_page_has_a_form(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert 'enctype="multipart/form-data"' in page.text
    assert 'name="file"' in page.text
    assert page.headers["Content-Security-Policy"].startswith(POLICY)
    assert "style=" not in page.text
    assert client.get("/static/pictor.css").status_code == 200


def test_an_upload_shows_the_picture_and_its_answer(client: httpx.Client) -> None:
    page = client.post("/", files={"file": distinct(photograph("coffee.png"))})
    assert page.status_code == 200
    thumbnail = re.search(r'src="data:image/jpeg;base64,([^"]+)"', page.text)
    assert thumbnail is not None
    with Image.open(io.BytesIO(base64.b64decode(thumbnail[1]))) as image:
        assert max(image.size) == 320
    assert "espresso" in page.text
    assert page.text.count('<rect class="fill"') == 5
    assert "sure" in page.text


@pytest.mark.parametrize("code", BY_CODE)
def test_a_message_for_every_error_says_what_to_do(
    client: httpx.Client, code: str
) -> None:
    page = client.get("/", params={"error": code})
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    text = page.text.replace("&#39;", "'")
    assert BY_CODE[code].title in text
    assert BY_CODE[code].advice in text


def test_an_unknown_error_slug_is_not_shown(client: httpx.Client) -> None:
    page = client.get("/", params={"error": "<script>alert(1)</script>"})
    assert page.status_code == 200
    assert "<script>alert" not in page.text


def test_feedback_is_stored_and_shown(client: httpx.Client) -> None:
    text = "a <b>cup</b> & saucer"
    page = client.post("/feedback", data={"report": text})
    assert page.status_code == 200
    assert 'role="status"' in page.text
    assert "a &lt;b&gt;cup&lt;/b&gt; &amp; saucer" in client.get("/feedback").text


def test_report_as_wrong_needs_no_words(client: httpx.Client) -> None:
    answer = client.post(
        "/feedback", data={"id": "0-1", "label": "espresso", "report": ""}
    )
    assert answer.status_code == 200
    assert "espresso" in client.get("/feedback").text
    assert client.post("/feedback", data={"report": " "}).status_code == 302


def test_programs_report_too(client: httpx.Client) -> None:
    given = {"id": "0-" + "a" * 32, "verdict": "wrong", "label": "cup"}
    answer = client.post("/v1/feedback", json=given)
    assert answer.status_code == 201
    token = answer.json().pop("token")
    assert answer.json() == {"id": given["id"], "stored": True, "token": token}
    assert "It is really: cup" in client.get("/feedback").text


def test_the_api_is_described_from_this_machine_alone(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()
    assert {"/v1/classify", "/v1/models", "/v1/labels", "/v1/feedback"} <= set(
        described["paths"]
    )
    upload = described["paths"]["/v1/classify"]["post"]
    assert upload["requestBody"]["required"] is True
    assert "multipart/form-data" in upload["requestBody"]["content"]
    assert "application/problem+json" in upload["responses"]["422"]["content"]
    page = client.get("/docs")
    assert "connect-src 'self'" in page.headers["Content-Security-Policy"]
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert all(one.startswith(("/", "#")) for one in sources)
    for one in sources:
        if one.startswith(("/docs/", "/static/")):
            assert client.get(one).status_code == 200, one
