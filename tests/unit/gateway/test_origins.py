"""What a page of another site can make a visitor's browser do: nothing, unless it is allowed."""

import pytest

from common.errors import CrossSite
from common.peers import origins
from gateway.headers import SECURITY
from gateway.origins import Origins

HOST = "pictor.example:8000"
OURS, PAGE, EVIL = "http://pictor.example:8000", "https://page.example", "https://evil"


def raw(headers: dict[str, str]) -> dict[bytes, bytes]:
    return {k.lower().encode(): v.encode("latin-1") for k, v in headers.items()}


def passes(
    headers: dict[str, str],
    *,
    allowed: str = "",
    path: str = "/predict",
    method: str = "POST",
) -> bool:
    try:
        doors = Origins(origins(allowed))
        doors.check(method, path, raw({"Host": HOST, **headers}))
    except CrossSite:
        return False
    return True


@pytest.mark.parametrize(
    "path",
    ["/", "/predict", "/v1/classify", "/feedback", "/v1/feedback/1-0-a/picture", "/x"],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": EVIL},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://other.pictor.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": OURS},  # what no browser says
        {"Sec-Fetch-Site": "", "Origin": OURS},
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "*"},
        {"Origin": HOST},
        {"Origin": "http://pictor.example"},
        {"Origin": "http://pictor.example:8001"},
        {"Origin": "http://evil.pictor.example:8000"},
        {"Origin": f"{OURS}.evil"},
        {"Origin": f"{OURS}/"},
        {"Origin": "\xff"},
        {"Origin": "null", "Host": "null"},
        {"Origin": "http://[::1]", "Host": "[::1"},
    ],
)
def test_a_foreign_page_cannot_send(
    headers: dict[str, str], method: str, path: str
) -> None:
    assert not passes(headers, path=path, method=method)


@pytest.mark.parametrize(
    "headers",
    [
        {},  # a program
        {"Sec-Fetch-Site": "same-origin", "Origin": OURS},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": OURS},
        {"Origin": OURS.upper(), "Host": HOST.upper()},
        {"Origin": "https://pictor.example", "Host": "pictor.example"},
        {"Origin": "https://pictor.example", "Host": "pictor.example:443"},
        {"Origin": "https://pictor.example:443", "Host": "pictor.example"},
        {"Origin": "http://[::1]:8000", "Host": "[::1]:8000"},
        # A proxy that does not hand Host on; the browser itself says whose page it was.
        {"Sec-Fetch-Site": "same-origin", "Origin": OURS, "Host": "upstream"},
    ],
)
def test_our_own_page_and_programs_can(headers: dict[str, str]) -> None:
    assert passes(headers)


def test_our_own_forms_say_whose_they_are() -> None:
    """With "no-referrer" browsers write "null" as the origin of a form (Fetch, 3.2)."""
    assert dict(SECURITY)[b"referrer-policy"] == b"same-origin"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_needs_no_check(method: str) -> None:
    assert passes({"Sec-Fetch-Site": "cross-site", "Origin": EVIL}, method=method)


@pytest.mark.parametrize("allowed", [PAGE, f"http://x,{PAGE.upper()}:443", "*"])
def test_an_allowed_page_can_call_the_api_alone(allowed: str) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": PAGE}
    for path in ("/predict", "/v1/classify", "/v1/feedback"):
        assert passes(headers, allowed=allowed, path=path)
    for path in ("/", "/feedback", "/metrics", "/v1", "/predict/"):
        assert not passes(headers, allowed=allowed, path=path)
    other = {"Sec-Fetch-Site": "cross-site", "Origin": EVIL}
    assert passes(other, allowed=allowed) == (allowed == "*")


def test_an_allowed_page_may_take_back_and_keep() -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": PAGE}
    for method, path in (
        ("DELETE", "/v1/feedback/1-0-a"),
        ("PUT", "/v1/feedback/1-0-a/picture"),
    ):
        assert passes(headers, allowed=PAGE, path=path, method=method)
        asked = raw({"Origin": PAGE, "Access-Control-Request-Method": method})
        told = dict(Origins(origins(PAGE)).preflight("OPTIONS", path, asked))
        assert method in told[b"access-control-allow-methods"].decode().split(", ")


def answer(allowed: str, origin: str | None, path: str = "/predict") -> dict[str, str]:
    headers = {} if origin is None else {"Origin": origin}
    found = Origins(origins(allowed)).answer(path, raw(headers))
    return {name.decode(): value.decode() for name, value in found}


def test_by_default_no_page_may_read() -> None:
    assert answer("", PAGE) == {}
    assert answer("*", PAGE, "/") == {}


def test_an_allowed_page_may_read_and_caches_are_told() -> None:
    told = answer(PAGE, PAGE)
    assert told["access-control-allow-origin"] == PAGE
    assert told["vary"] == "Origin"
    assert "retry-after" in told["access-control-expose-headers"]
    assert answer(PAGE, EVIL) == answer(PAGE, None) == {"vary": "Origin"}
    assert answer("*", EVIL)["access-control-allow-origin"] == "*"


def test_credentials_are_never_allowed() -> None:
    doors = Origins(origins("*"))
    asked = raw({"Origin": PAGE, "Access-Control-Request-Method": "POST"})
    told = (
        *doors.answer("/predict", asked),
        *doors.preflight("OPTIONS", "/predict", asked),
    )
    assert told
    assert not [name for name, _ in told if b"credentials" in name]


@pytest.mark.parametrize(
    ("method", "path", "headers", "told"),
    [
        ("OPTIONS", "/predict", {"Origin": PAGE}, False),
        ("OPTIONS", "/predict", {"Access-Control-Request-Method": "POST"}, False),
        (
            "POST",
            "/predict",
            {"Origin": PAGE, "Access-Control-Request-Method": ""},
            False,
        ),
        ("OPTIONS", "/", {"Origin": PAGE, "Access-Control-Request-Method": ""}, False),
        (
            "OPTIONS",
            "/v1/x",
            {"Origin": EVIL, "Access-Control-Request-Method": ""},
            False,
        ),
        (
            "OPTIONS",
            "/v1/x",
            {"Origin": PAGE, "Access-Control-Request-Method": ""},
            True,
        ),
    ],
)
def test_only_what_asks_before_it_sends_is_answered(
    method: str, path: str, headers: dict[str, str], told: bool
) -> None:
    assert bool(Origins(origins(PAGE)).preflight(method, path, raw(headers))) == told
