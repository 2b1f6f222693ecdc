"""Errors as answers, in the manner of each face of the service."""

import json

import pytest

from common.errors import (
    CrossSite,
    Forbidden,
    KeepingOff,
    NoFile,
    QueueFull,
    RequestError,
    TooLarge,
    Unauthorized,
)
from gateway import metrics
from gateway.problems import PAGES, of_error, of_status

PLAIN = {"success": False, "prediction": None, "score": None}
KINDS = RequestError.__subclasses__()
DENIED = (Unauthorized, Forbidden, CrossSite, KeepingOff)


@pytest.mark.parametrize("kind", KINDS)
def test_the_plain_contract_has_three_keys_and_the_reason_in_headers(
    kind: type[RequestError],
) -> None:
    reply = of_error(kind(), "/predict", "POST", "r1")
    assert reply.status == kind.status
    assert json.loads(reply.body) == PLAIN
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["X-Error-Code"] == kind.code
    assert reply.headers["X-Error-Detail"] == kind().detail


@pytest.mark.parametrize("kind", KINDS)
def test_the_full_contract_has_problem_details(kind: type[RequestError]) -> None:
    """RFC 9457."""
    reply = of_error(kind(), "/v1/classify", "POST", "r1")
    assert reply.status == kind.status
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert json.loads(reply.body) == {
        "type": kind.code,
        "title": kind.title,
        "status": kind.status,
        "detail": kind().detail,
        "request_id": "r1",
    }


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in DENIED])
def test_a_form_is_shown_again_with_a_message(kind: type[RequestError]) -> None:
    """The message travels as a slug, so gateways share no secret."""
    reply = of_error(kind(), "/", "POST", "r1")
    assert (reply.status, reply.body) == (302, b"")
    assert reply.headers["Location"] == f"/?error={kind.code}"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("kind", DENIED)
def test_who_may_not_see_the_page_is_not_sent_there(
    kind: type[RequestError], path: str, method: str
) -> None:
    """It would be refused as well; the reason is read where it happened."""
    reply = of_error(kind(), path, method, "r1")
    assert (reply.status, reply.body.decode()) == (kind.status, kind().detail)
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.headers["X-Error-Code"] == kind.code


@pytest.mark.parametrize(
    ("path", "challenge"),
    [
        ("/", 'Basic realm="Pictor", charset="UTF-8"'),
        ("/feedback", 'Basic realm="Pictor", charset="UTF-8"'),
        ("/feedback/pictures.zip", 'Basic realm="Pictor", charset="UTF-8"'),
        ("/predict", 'Bearer realm="Pictor"'),
        ("/v1/classify", 'Bearer realm="Pictor"'),
        ("/metrics", 'Bearer realm="Pictor"'),
    ],
)
def test_who_shows_no_key_is_told_how(path: str, challenge: str) -> None:
    """A browser asks its person for a password (RFC 7617); a program reads (RFC 6750)."""
    headers = of_error(Unauthorized(), path, "POST", "r").headers
    assert headers["WWW-Authenticate"] == challenge
    assert "WWW-Authenticate" not in of_error(Forbidden(), path, "POST", "r").headers


def test_only_a_posted_form_is_redirected() -> None:
    assert of_error(NoFile(), "/", "GET", "r1").status == 400


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.2, "1"), (1, "1"), (1.01, "2"), (59.5, "60")]
)
@pytest.mark.parametrize("path", ["/predict", "/v1/classify", "/"])
def test_retry_after_is_in_whole_seconds_never_too_few(
    path: str, seconds: float, written: str
) -> None:
    reply = of_error(QueueFull(retry_after_s=seconds), path, "POST", "r1")
    assert reply.headers["Retry-After"] == written


def test_where_trying_again_makes_no_sense_it_is_not_asked_for() -> None:
    assert "Retry-After" not in of_error(NoFile(), "/predict", "POST", "r").headers


def test_a_long_detail_is_cut_for_its_header() -> None:
    reply = of_error(TooLarge("x" * 500), "/predict", "POST", "r1")
    assert len(reply.headers["X-Error-Detail"]) == 200


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "not-found"),
        (405, "method-not-allowed"),
        (400, "bad-request"),
        (500, "internal-error"),
    ],
)
def test_errors_of_http_are_answered_alike(status: int, code: str) -> None:
    plain = of_status(status, "/predict", "POST", "r1")
    assert json.loads(plain.body) == PLAIN
    assert (plain.status, plain.headers["X-Error-Code"]) == (status, code)
    full = json.loads(of_status(status, "/v1/x", "POST", "r1").body)
    assert (full["type"], full["status"], full["request_id"]) == (code, status, "r1")


def test_a_client_is_not_blamed_on_us() -> None:
    """408: its body did not come in time."""
    assert (
        of_status(408, "/v1/classify", "POST", "r").headers["X-Error-Code"]
        != "internal-error"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/", "/predict", "/v1/classify"])
def test_each_error_is_counted_once_by_its_code(
    kind: type[RequestError], path: str
) -> None:
    before = counted(kind.code)
    of_error(kind(), path, "POST", "r")
    assert counted(kind.code) == before + 1


@pytest.mark.parametrize(
    ("status", "code"), [(404, "not-found"), (405, "method-not-allowed")]
)
@pytest.mark.parametrize("path", ["/", "/predict", "/v1/x"])
def test_http_errors_are_counted_too(status: int, code: str, path: str) -> None:
    before = counted(code)
    of_status(status, path, "POST", "r")
    assert counted(code) == before + 1


def counted(code: str) -> float:
    """Answers with this code up to now."""
    (family,) = metrics.REFUSED.collect()
    return sum(
        sample.value
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels["code"] == code
    )
