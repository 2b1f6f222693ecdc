"""The doors: what is open, what a key opens, and that what is forgotten is closed."""

import base64
import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException

from common.connections import Keeper
from common.errors import (
    BrokerAway,
    CrossSite,
    Forbidden,
    QuotaExceeded,
    StartError,
    Unauthorized,
)
from common.settings import Settings
from gateway import api_keys
from gateway.access import COUNTED, EXPORTS, SCOPES, Access, credential, path_of
from gateway.api_keys import Scope
from gateway.app import create_app
from gateway.exchange import ROUTES
from gateway.limits import UPLOADS
from gateway.quota import Quota

NOWHERE = "unix:///nowhere"
OPEN = (
    *("/healthz", "/readyz", "/openapi.json", "/docs"),
    *("/docs/assets/swagger-ui.css", "/static/pictor.css", "/static/x/y"),
)
NEEDS: dict[str, Scope] = {
    "/": "classify",
    "/predict": "classify",
    "/v1/classify": "classify",
    "/v1/models": "classify",
    "/v1/labels": "classify",
    "/v1/results/0-abc": "classify",
    "/feedback": "feedback",
    "/v1/feedback": "feedback",
    "/v1/feedback/1-0-abc": "feedback",
    "/v1/feedback/1-0-abc/picture": "feedback",
    "/feedback/export.jsonl": "admin",
    "/feedback/pictures.zip": "admin",
    "/dashboard": "admin",
    "/v1/live": "admin",
    "/metrics": "admin",
}
NOT_THERE = (
    *("/nothing", "/v1", "/v2/classify", "/predict/", "//predict", "/metrics/"),
    *("/feedback/", "/feedback/x.zip", "/dashboard/"),
    *("/docs/", "/docsx", "/static", "/healthz/x", "/HEALTHZ", "/%6detrics"),
)


@pytest.fixture(autouse=True)
def _in_the_middle_of_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gateway.access.Quota", lambda link: Quota(link, lambda: 1_700_000_070.0)
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def doors(url: str = NOWHERE, **values: object) -> Access:
    named = {f"PICTOR_{name.upper()}": str(value) for name, value in values.items()}
    return Access(Settings.parse(named), Keeper(url))


async def enter(
    access: Access,
    path: str,
    headers: dict[str, str] | None = None,
    *,
    method: str = "POST",
    peer: str = "192.0.2.1",
) -> Any:
    raw = [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()]
    scope = {"method": method, "path": path, "client": (peer, 1), "headers": raw}
    return await access.enter(scope, dict(raw))


def key(
    file: Path, *scopes: Scope, name: str = "alice", quota: int | None = None
) -> dict[str, str]:
    """A new key, as a header carries it."""
    return {"X-API-Key": api_keys.add(file, name, scopes, quota)}


def test_every_route_stands_in_the_table() -> None:
    """Those of the app as well as those that metrics name; uploads are counted."""
    assert set(SCOPES) | {"/healthz", "/readyz", "/openapi.json", "/docs"} == ROUTES
    assert UPLOADS < COUNTED <= set(SCOPES)


@pytest.mark.parametrize("path", [*OPEN, *NEEDS, *NOT_THERE])
async def test_without_keys_all_is_open_but_what_tells_of_everybody(path: str) -> None:
    if path == "/metrics" or path in EXPORTS:
        with pytest.raises(Forbidden):
            await enter(doors(), path)
    else:
        assert (await enter(doors(), path)).owner == ""


@pytest.mark.parametrize(
    ("peer", "headers", "told"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("192.0.2.1", {}, False),
        ("192.0.2.1", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}, False),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.1"}, False),
    ],
)
@pytest.mark.parametrize("proxies", ["", "127.0.0.1"])
@pytest.mark.parametrize("path", ["/metrics", *EXPORTS])
async def test_metrics_and_exports_without_keys_are_for_this_machine(
    peer: str, headers: dict[str, str], told: bool, proxies: str, path: str
) -> None:
    """No header makes anybody local, whoever is trusted with what."""
    access = doors(trusted_proxies=proxies)
    if told:
        await enter(access, path, headers, method="GET", peer=peer)
    else:
        with pytest.raises(Forbidden) as caught:
            await enter(access, path, headers, method="GET", peer=peer)
        assert "PICTOR_API_KEYS_FILE" in caught.value.detail
        assert len(caught.value.detail) <= 200


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}])
async def test_with_keys_some_places_stay_open(
    file: Path, path: str, headers: dict[str, str]
) -> None:
    key(file, "classify")
    assert (await enter(doors(api_keys_file=file), path, headers)).owner == ""


@pytest.mark.parametrize("path", [*NEEDS, *NOT_THERE])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "BREW"])
async def test_with_keys_all_else_needs_one(file: Path, path: str, method: str) -> None:
    """Also from this machine, and also what is not there."""
    key(file, "classify", "feedback", "admin")
    access = doors(api_keys_file=file)
    for headers in ({}, {"X-API-Key": "pictor_alice_x"}, {"Authorization": "Bearer"}):
        with pytest.raises(Unauthorized):
            await enter(access, path, headers, method=method, peer="127.0.0.1")


@pytest.mark.parametrize(("path", "needed"), NEEDS.items())
@pytest.mark.parametrize("scope", ["classify", "feedback", "admin"])
async def test_a_key_opens_what_its_scope_says(
    file: Path, path: str, needed: Scope, scope: Scope
) -> None:
    headers = key(file, scope)
    access = doors(api_keys_file=file)
    if scope == needed:
        assert (await enter(access, path, headers)).owner == "alice"
    else:
        with pytest.raises(Forbidden, match=f"scope {needed}"):
            await enter(access, path, headers)


@pytest.mark.parametrize("path", NOT_THERE)
async def test_what_is_not_there_may_be_seen_with_any_key(
    file: Path, path: str
) -> None:
    headers = key(file, "feedback")
    assert (await enter(doors(api_keys_file=file), path, headers)).owner == "alice"


def test_a_bad_file_stops_the_start(file: Path) -> None:
    with pytest.raises(StartError):
        doors(api_keys_file=file)


async def test_another_sites_page_is_refused_before_its_key_is_looked_at(
    file: Path,
) -> None:
    headers = key(file, "classify") | {"Sec-Fetch-Site": "cross-site"}
    for access in (doors(), doors(api_keys_file=file)):
        with pytest.raises(CrossSite):
            await enter(access, "/predict", headers)


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, ""),
        ({"authorization": "Bearer k"}, "k"),
        ({"authorization": "bearer   k "}, "k"),
        ({"authorization": "k"}, ""),
        ({"authorization": "Digest k"}, ""),
        ({"authorization": basic("anybody:k")}, "k"),
        ({"authorization": basic(":k:l")}, "k:l"),
        ({"authorization": basic("k")}, ""),
        ({"authorization": "Basic %%%"}, ""),
        ({"authorization": "Basic"}, ""),
        ({"x-api-key": " k "}, "k"),
        ({"x-api-key": "k", "authorization": basic("of:a proxy")}, "k"),
        ({"x-api-key": "", "authorization": "Bearer k"}, ""),
    ],
)
def test_a_key_travels_in_three_manners(headers: dict[str, str], found: str) -> None:
    raw = {name.encode(): value.encode() for name, value in headers.items()}
    assert credential(raw) == found


@given(st.sampled_from([b"", b"Bearer ", b"Basic ", b"basic"]), st.binary())
def test_rubbish_is_no_key_and_no_error(scheme: bytes, rest: bytes) -> None:
    assert isinstance(credential({b"authorization": scheme + rest}), str)
    assert isinstance(credential({b"x-api-key": rest}), str)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/predict", "/predict"),
        ("http://pictor/metrics", "/metrics"),
        ("HTTP://pictor:80/metrics?x#y", "/metrics"),
        ("http://pictor", "/"),
        ("", "/"),
        ("*", "/*"),
        ("http://[::1/metrics", "/http://[::1/metrics"),
        ("pictor:443", "/443"),
        ("//metrics", "/metrics"),
        ("http://pictor//metrics", "/metrics"),
        ("////v1//labels", "/v1//labels"),
    ],
)
def test_a_path_is_the_same_however_it_was_asked_for(target: str, path: str) -> None:
    assert path_of(target) == path


@given(st.text())
def test_a_path_begins_with_a_slash(target: str) -> None:
    assert path_of(target).startswith("/")


ADAPTER = create_app(Settings()).url_map.bind("pictor")
PIECES = st.sampled_from([*ROUTES, "/", "//", ".", "..", ";", "\\", "\t", "%2f", "x:"])


@given(st.lists(PIECES, max_size=5).map("".join), st.sampled_from(["GET", "POST"]))
def test_no_spelling_leads_to_a_route_past_the_table(target: str, method: str) -> None:
    """What the doors look at is what the routes go by, letter for letter."""
    path = path_of(target)
    with contextlib.suppress(HTTPException):  # nothing is there
        rule, _ = ADAPTER.match(path, method, return_rule=True)
        assert rule.rule == path or rule.arguments


async def test_without_a_quota_nothing_is_counted(file: Path) -> None:
    """Redis is not even asked: there is none."""
    headers = key(file, "classify")
    for access in (doors(), doors(api_keys_file=file)):
        caller = await enter(access, "/predict", headers)
        assert caller.charge is None
        await access.give_back(caller)


@pytest.mark.parametrize("path", sorted(COUNTED))
async def test_with_a_quota_uploads_and_reports_are_counted(path: str) -> None:
    access = doors(quota_per_minute=5)
    with pytest.raises(BrokerAway):
        await enter(access, path)
    await enter(access, path, method="GET")


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("PUT", "/v1/feedback/1-0-abc/picture", True),
        ("GET", "/v1/feedback/1-0-abc/picture", False),
        ("PUT", "/v1/feedback/1-0-abc", False),
        ("PUT", "/v1/feedback/a/b/picture", False),
        ("PUT", "/v1/feedback//picture", False),
        ("DELETE", "/v1/feedback/1-0-abc", False),
    ],
)
async def test_a_picture_that_is_to_be_kept_counts_as_an_upload(
    method: str, path: str, counted: bool
) -> None:
    access = doors(quota_per_minute=5)
    if counted:
        with pytest.raises(BrokerAway):
            await enter(access, path, method=method)
    else:
        await enter(access, path, method=method)


async def test_nobody_waits_for_a_redis_that_is_known_to_be_away() -> None:
    """The link is one that never answers; it is not asked."""
    settings = Settings.parse({"PICTOR_QUOTA_PER_MINUTE": "5"})
    asked: list[object] = []

    class Silent(Keeper):
        async def calls(self, commands: object) -> Any:
            asked.append(commands)

    access = Access(settings, Silent(NOWHERE), lambda: "it hangs")
    with pytest.raises(BrokerAway) as caught:
        await enter(access, "/predict")
    assert (caught.value.retry_after_s, asked) == (2, [])
    assert (await enter(access, "/v1/models")).charge is None


@pytest.mark.parametrize("path", ["/v1/models", "/v1/results/0-1", "/healthz", "/x"])
async def test_what_costs_nothing_is_not_counted(path: str) -> None:
    await enter(doors(quota_per_minute=1), path)
    await enter(doors(quota_per_minute=1), path, method="GET")


async def count(access: Access, most: int = 20, **sent: Any) -> int:
    """How many uploads pass before one is refused."""
    for number in range(most):
        try:
            await enter(access, "/predict", **sent)
        except QuotaExceeded as error:
            assert error.retry_after_s is not None
            return number
    return most


async def test_without_keys_an_address_is_counted(flushed_redis_url: str) -> None:
    access = doors(flushed_redis_url, quota_per_minute=3, trusted_proxies="10.0.0.0/8")
    assert await count(access, peer="192.0.2.1") == 3
    assert await count(access, peer="192.0.2.2") == 3
    assert await count(access, peer="2001:db8::1") == 3
    assert await count(access, peer="2001:db8::2") == 0, "of the same /64"
    assert await count(access, peer="2001:db8:0:1::1") == 3
    forged = {"X-Forwarded-For": "203.0.113.5"}
    assert await count(access, peer="192.0.2.1", headers=forged) == 0
    assert await count(access, peer="10.0.0.1", headers=forged) == 3
    chain = {"X-Forwarded-For": "198.51.100.1, 203.0.113.5, 10.9.9.9"}
    assert await count(access, peer="10.0.0.2", headers=chain) == 0
    await close(access)


async def test_with_keys_a_key_is_counted_wherever_it_is(
    file: Path, flushed_redis_url: str
) -> None:
    """Its own quota wins, 0 is none."""
    usual = key(file, "classify", name="usual")
    few = key(file, "classify", name="few", quota=1)
    free = key(file, "classify", name="free", quota=0)
    access = doors(flushed_redis_url, api_keys_file=file, quota_per_minute=3)
    assert await count(access, headers=usual, peer="192.0.2.1") == 3
    assert await count(access, headers=usual, peer="192.0.2.2") == 0
    assert await count(access, headers=few) == 1
    assert await count(access, headers=free) == 20
    await close(access)


async def test_what_is_refused_later_is_given_back(flushed_redis_url: str) -> None:
    access = doors(flushed_redis_url, quota_per_minute=1)
    for _ in range(3):
        await access.give_back(await enter(access, "/predict"))
    assert await count(access) == 1
    await close(access)


async def close(access: Access) -> None:
    await access._quota._link.close()
