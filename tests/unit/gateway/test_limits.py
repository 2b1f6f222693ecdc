"""The outermost layer, driven as a server drives it: with a scope, a receive and a send."""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from common import wire
from common.connections import Keeper
from common.settings import MEGABYTE, Settings
from gateway import api_keys
from gateway.access import Access
from gateway.admission import Admission, State
from gateway.headers import SECURITY
from gateway.limits import Limits
from gateway.traffic import Traffic

LARGEST = 1_000_000 + 64 * 1024  # of an upload, with what its form adds
Headers = dict[str, str]


def room_for_all() -> Admission:
    """Admission that has read that there is one worker and nothing to do."""
    admission = Admission(
        Keeper("unix:///nowhere"), "m", {"interactive": 10, "bulk": 10}
    )
    worker = wire.Worker(1, "w", "m", "d", "litert", 1.0, 1.0, images_per_s=100)
    admission.away, admission.read_at = "", math.inf
    admission.state = State(workers=(worker,))
    return admission


def doors(settings: Settings) -> Access:
    """As these settings have them; there is no quota to count in Redis."""
    return Access(settings, Keeper("unix:///nowhere"))


@dataclass
class Call:
    """One request to the layer and what came of it.

    Attributes:
        body: chunks as they arrive; `received` of them were taken.
    """

    method: str = "POST"
    path: str = "/predict"
    headers: Headers = field(default_factory=lambda: {"content-length": "3"})
    body: tuple[bytes, ...] = (b"abc",)
    query: str = ""
    http_version: str = "1.1"
    received: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)
    received_before_answer: int | None = None
    pause: bool = False

    async def receive(self) -> dict[str, Any]:
        if self.pause:
            await asyncio.sleep(0)  # others get their turn
        if self.received >= len(self.body):
            return {"type": "http.disconnect"}
        chunk = self.body[self.received]
        self.received += 1
        more = self.received < len(self.body)
        return {"type": "http.request", "body": chunk, "more_body": more}

    async def send(self, message: Any) -> None:
        if self.received_before_answer is None:
            self.received_before_answer = self.received
        self.sent.append(dict(message))

    async def through(self, limits: Limits) -> "Call":
        scope = {
            "type": "http",
            "method": self.method,
            "path": self.path,
            "query_string": self.query.encode(),
            "http_version": self.http_version,
            "client": ("192.0.2.1", 4711),
            "headers": [(k.encode(), v.encode()) for k, v in self.headers.items()],
        }
        await limits(scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def answer(self) -> dict[str, str]:
        """The headers of the answer."""
        return {k.decode(): v.decode() for k, v in self.sent[0]["headers"]}

    @property
    def code(self) -> str:
        return self.answer.get("x-error-code", "")


class App:
    """What lies inside: reads the body and says that all is well."""

    def __init__(self) -> None:
        self.called = 0
        self.hold: Callable[[], Awaitable[None]] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.called += 1
        while (await receive()).get("more_body"):
            pass
        if self.hold is not None:
            await self.hold()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"fine"})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def limits(app: App) -> Limits:
    values = {"PICTOR_MAX_UPLOAD_MB": "1", "PICTOR_MAX_BYTES_IN_FLIGHT_MB": "1"}
    return made(app, settings=Settings.parse(values))


def made(
    app: Any,
    admission: Admission | None = None,
    settings: Settings | None = None,
    access: Access | None = None,
) -> Limits:
    settings = settings or Settings()
    traffic = Traffic(settings.max_bytes_in_flight_mb * MEGABYTE, most_requests=100)
    return Limits(
        app, settings, admission or room_for_all(), access or doors(settings), traffic
    )


async def test_what_is_within_the_limits_reaches_the_app(
    limits: Limits, app: App
) -> None:
    call = await Call().through(limits)
    assert (call.status, call.sent[1]["body"], app.called) == (200, b"fine", 1)


async def test_what_is_not_http_is_passed_on(limits: Limits) -> None:
    """The server's lifespan events."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    call = Call()
    await made(app)({"type": "lifespan"}, call.receive, call.send)
    assert seen == ["lifespan"]


@pytest.mark.parametrize("path", ["/predict", "/", "/v1/classify", "/feedback"])
@pytest.mark.parametrize(
    "headers",
    [
        {"transfer-encoding": "chunked"},
        {"transfer-encoding": "chunked", "content-length": "3"},
        {"content-length": "3", "transfer-encoding": "Chunked"},
    ],
)
async def test_a_body_of_unknown_length_is_refused(
    limits: Limits, app: App, path: str, headers: Headers
) -> None:
    """Chunked overrides a length (RFC 9112, 6.3), so that length bounds nothing."""
    call = await Call(path=path, headers=headers).through(limits)
    assert call.status == (302 if path in ("/", "/feedback") else 411)
    assert app.called == 0
    # Whoever goes by the other length would take the rest for a request (RFC 9112, 6.1).
    assert call.answer["connection"] == "close"


async def test_a_body_of_unknown_length_over_http_2_is_refused(limits: Limits) -> None:
    call = await Call(headers={}, http_version="2").through(limits)
    assert call.code == "length-required"


async def test_no_length_and_no_chunks_is_no_body(limits: Limits) -> None:
    assert (await Call(headers={}, body=(b"",)).through(limits)).status == 200


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        ("/predict", LARGEST, 413),
        ("/predict", 10**12, 413),
        ("/v1/classify", LARGEST, 413),
        ("/v1/feedback", 64 * 1024, 413),
        ("/nowhere", 64 * 1024, 413),
    ],
)
async def test_too_large_a_body_is_refused_at_the_headers(
    limits: Limits, app: App, path: str, length: int, status: int
) -> None:
    """The app is not reached, and nothing was read when the answer went out."""
    right = Call(path=path, headers={"content-length": str(length)})
    wrong = Call(path=path, headers={"content-length": str(length + 1)})
    await wrong.through(limits)
    assert (wrong.status, wrong.code, app.called) == (status, "too-large", 0)
    assert wrong.received_before_answer == 0
    if length < LARGEST:
        assert (await right.through(limits)).status == 200


KEPT = "/v1/feedback/1-0-abc/picture"


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("PUT", KEPT, LARGEST),
        ("POST", KEPT, 64 * 1024),
        ("PUT", "/v1/feedback/1-0-abc", 64 * 1024),
        ("PUT", "/predict", 64 * 1024),
    ],
)
async def test_a_picture_that_is_to_be_kept_may_be_as_large_as_an_upload(
    app: App, method: str, path: str, most: int
) -> None:
    limits = made(app, settings=Settings.parse({"PICTOR_MAX_UPLOAD_MB": "1"}))
    right = Call(method, path, {"content-length": str(most)})
    wrong = Call(method, path, {"content-length": str(most + 1)})
    assert (await right.through(limits)).status == 200
    assert (await wrong.through(limits)).code == "too-large"


async def test_a_picture_that_is_to_be_kept_waits_for_no_worker_but_for_room(
    app: App, limits: Limits
) -> None:
    """It is not classified; what is held of it counts all the same."""
    limits._admission.away = "Redis does not answer"
    sent = Call("PUT", KEPT, {"content-length": "600000"}, (b"x" * 60_000,) * 10)
    inside, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        inside.set()
        await leave.wait()

    app.hold = hold
    first = asyncio.create_task(sent.through(limits))
    await inside.wait()
    second = Call("PUT", KEPT, sent.headers, sent.body)
    assert (await second.through(limits)).code == "busy"
    leave.set()
    assert (await first).status == 200


@pytest.mark.parametrize("length", ["9" * 30, "9" * 5000])
async def test_an_absurd_length_is_too_large(limits: Limits, length: str) -> None:
    call = await Call(headers={"content-length": length}).through(limits)
    assert call.code == "too-large"


async def test_what_is_refused_is_read_nevertheless(limits: Limits) -> None:
    """A connection closed with unread bytes is reset, and the answer lost with it."""
    body = (b"x" * 1000,) * 50
    call = await Call(headers={"content-length": "99999999"}, body=body).through(limits)
    assert call.received_before_answer == 0
    assert call.received == len(body)


async def test_the_reading_of_what_is_refused_has_an_end(
    limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.exchange.LINGER_BYTES", 5000)
    body = (b"x" * 1000,) * 50
    call = await Call(headers={"content-length": "99999999"}, body=body).through(limits)
    assert call.received == 5
    monkeypatch.setattr("gateway.exchange.LINGER_S", 0.05)
    slow = Call(headers={"content-length": "99999999"})
    slow.receive = asyncio.Event().wait  # type: ignore[method-assign, assignment]
    async with asyncio.timeout(5):
        await slow.through(limits)


async def test_a_plain_refusal_has_the_three_keys(limits: Limits) -> None:
    call = await Call(headers={"transfer-encoding": "chunked"}).through(limits)
    body = call.sent[1]["body"]
    assert json.loads(body) == {"success": False, "prediction": None, "score": None}
    assert call.answer["content-length"] == str(len(body))


@pytest.mark.parametrize("given", ["abc", "0-" + "f" * 32, "a.b_c:d-e", "x" * 128])
async def test_a_request_id_is_echoed(limits: Limits, given: str) -> None:
    headers = {"content-length": "3", "x-request-id": given}
    assert (await Call(headers=headers).through(limits)).answer["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\r\nset-cookie: x", "<b>"])
async def test_a_request_id_that_is_none_is_replaced(
    limits: Limits, given: str
) -> None:
    headers = {"content-length": "3", "x-request-id": given}
    first, second = [
        (await Call(headers=headers).through(limits)).answer["x-request-id"]
        for _ in range(2)
    ]
    assert re.fullmatch(r"[0-9a-f]{16}", first)
    assert first != second


@pytest.mark.parametrize(
    "call",
    [
        Call(),
        Call("GET", "/healthz", {}, ()),
        Call(headers={"transfer-encoding": "chunked"}),
        Call(path="/", headers={"content-length": "99999999"}),
    ],
    ids=["answer", "get", "refusal", "redirect"],
)
async def test_every_answer_carries_what_every_answer_carries(
    limits: Limits, call: Call
) -> None:
    answer = (await call.through(limits)).answer
    for name, value in SECURITY:
        assert answer[name.decode()] == value.decode()
    assert re.fullmatch(r"total;dur=[0-9.]+", answer["server-timing"])
    assert answer["x-request-id"]


async def test_an_answer_may_have_a_policy_of_its_own() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Content-Security-Policy", b"default-src 'self'")]
        scope["state"]["exchange"].timing = "queue;dur=1"
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    limits = made(app)
    call = await Call("GET", "/docs", {}, ()).through(limits)
    names = [name.lower() for name, _ in call.sent[0]["headers"]]
    assert names.count(b"content-security-policy") == 1
    assert call.answer["server-timing"] == "queue;dur=1"


async def test_bytes_in_flight_are_bounded_and_given_back(
    limits: Limits, app: App
) -> None:
    """The bound is 1 MB: 0.6 MB fit, twice that does not, until the first has ended."""
    inside, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        inside.set()
        await leave.wait()

    app.hold = hold
    first = asyncio.create_task(large(600_000).through(limits))
    await inside.wait()
    refused = await large(600_000).through(limits)
    assert (refused.status, refused.code) == (429, "busy")
    assert refused.answer["retry-after"] == "1"
    small = asyncio.create_task(Call().through(limits))
    leave.set()
    assert (await first).status == (await small).status == 200
    assert (await large(600_000).through(limits)).status == 200


def large(size: int) -> Call:
    """A request whose body comes in ten pieces."""
    return Call(headers={"content-length": str(size)}, body=(b"x" * (size // 10),) * 10)


async def test_what_is_announced_and_not_sent_takes_no_room(limits: Limits) -> None:
    """Many who announce 0.9 MB each; only what has come counts, and that to the byte."""
    stalled = large(900_000)
    arrive = asyncio.Event()
    deliver = stalled.receive

    async def receive() -> dict[str, Any]:
        if stalled.received == 1:
            await arrive.wait()
        return await deliver()

    stalled.receive = receive  # type: ignore[method-assign]
    waiting = asyncio.create_task(stalled.through(limits))
    await asyncio.sleep(0)
    assert (await large(900_000).through(limits)).status == 200
    arrive.set()
    assert (await waiting).status == 200


async def test_who_would_exceed_the_bound_in_mid_body_is_refused_there(
    limits: Limits, app: App
) -> None:
    """Two that fit alone and not together: one is told so, the other is served."""
    calls = [large(800_000), large(800_000)]
    for call in calls:
        call.pause = True
    await asyncio.gather(*(call.through(limits) for call in calls))
    assert sorted(call.status for call in calls) == [200, 429]
    # Both are read to their ends: who still sends hears why only if nothing is left unread.
    assert all(call.received == len(call.body) for call in calls)
    assert (await large(900_000).through(limits)).status == 200


async def test_a_body_that_stalls_is_cut_off(
    limits: Limits, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.body.SPARE_S", 0.05)
    call = Call(headers={"content-length": "100"})
    call.receive = asyncio.Event().wait  # type: ignore[method-assign, assignment]
    async with asyncio.timeout(5):
        await call.through(limits)
    assert (call.status, call.code) == (408, "too-slow")


async def test_no_body_may_take_for_ever(
    limits: Limits, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast it has been until then."""
    monkeypatch.setattr("gateway.body.LONGEST_S", 0.1)
    call = large(900_000)
    deliver, more = call.receive, asyncio.Event()

    async def receive() -> dict[str, Any]:
        if call.received == 9:
            await more.wait()
        return await deliver()

    call.receive = receive  # type: ignore[method-assign]
    async with asyncio.timeout(5):
        await call.through(limits)
    assert (call.status, call.code) == (408, "too-slow")


async def test_requests_under_way_are_bounded(app: App) -> None:
    limits = Limits(
        app,
        Settings(),
        room_for_all(),
        doors(Settings()),
        Traffic(10**6, most_requests=1),
    )
    inside, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        inside.set()
        await leave.wait()

    app.hold = hold
    first = asyncio.create_task(Call().through(limits))
    await inside.wait()
    assert (await Call().through(limits)).code == "busy"
    leave.set()
    assert (await first).status == 200


async def test_who_is_about_to_leave_keeps_no_connection(app: App) -> None:
    limits = made(app)
    assert "connection" not in (await Call().through(limits)).answer
    limits._traffic.leaving.set()
    assert (await Call().through(limits)).answer["connection"] == "close"
    http2 = await Call(http_version="2").through(limits)
    assert "connection" not in http2.answer


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_bytes_are_given_back_also_when_the_app_fails(
    limits: Limits, app: App, error: type[BaseException]
) -> None:
    async def fail() -> None:
        raise error

    app.hold = fail
    for _ in range(3):
        with pytest.raises(error):
            await large(900_000).through(limits)
    app.hold = None
    assert (await large(900_000).through(limits)).status == 200


async def test_an_upload_is_asked_about_before_it_is_read(app: App) -> None:
    admission = room_for_all()
    admission.state.backlog["bulk"] = 10
    limits = made(app, admission)
    full = await Call(path="/v1/classify", query="top_k=1&lane=bulk").through(limits)
    assert (full.status, full.code) == (429, "queue-full")
    assert full.received_before_answer == 0
    assert int(full.answer["retry-after"]) >= 1
    other = await Call(path="/v1/classify", query="lane=interactive").through(limits)
    assert other.status == 200


@pytest.mark.parametrize("path", ["/v1/feedback", "/feedback"])
async def test_who_uploads_nothing_is_not_asked_about(app: App, path: str) -> None:
    admission = room_for_all()
    admission.away = "Redis does not answer"
    limits = made(app, admission)
    assert (await Call(path=path).through(limits)).status == 200
    assert (await Call().through(limits)).code == "broker-away"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_a_body_is_bounded_whatever_the_method(
    app: App, limits: Limits, method: str
) -> None:
    chunked = Call(
        method=method, path="/healthz", headers={"transfer-encoding": "chunked"}
    )
    assert (await chunked.through(limits)).status == 411
    large = Call(method=method, path="/healthz", headers={"content-length": "100000"})
    assert (await large.through(limits)).status == 413
    assert app.called == 0


async def test_only_the_api_has_lanes(app: App) -> None:
    """A form upload is interactive, whatever its address says, and so is its bound."""
    admission = room_for_all()
    admission.state.backlog["interactive"] = 10
    limits = made(app, admission)
    call = await Call(path="/predict", query="lane=bulk").through(limits)
    assert (call.status, call.code) == (429, "queue-full")


@pytest.mark.parametrize("path", ["/predict", "http://pictor/predict"])
async def test_who_may_not_is_refused_at_the_headers(
    app: App, tmp_path: Path, path: str
) -> None:
    """Before anybody asks whether there is room, and with the body unread."""
    keys = tmp_path / "keys.toml"
    key = api_keys.add(keys, "alice", ("classify",), None)
    settings = Settings.parse({"PICTOR_API_KEYS_FILE": str(keys)})
    admission = room_for_all()
    admission.away = "Redis does not answer"
    limits = made(app, admission, settings)
    refused = await Call(path=path).through(limits)
    assert (refused.status, refused.code, app.called) == (401, "unauthorized", 0)
    assert refused.received_before_answer == 0
    assert refused.answer["www-authenticate"] == 'Bearer realm="Pictor"'
    known = Call(path=path, headers={"content-length": "3", "x-api-key": key})
    assert (await known.through(limits)).code == "broker-away"
    admission.away = ""
    assert (await known.through(limits)).status == 503  # as it was sent before
    again = Call(path=path, headers=known.headers)
    assert (await again.through(limits)).status == 200


async def test_the_app_is_told_who_asks(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    key = api_keys.add(keys, "alice", ("classify",), None)
    settings = Settings.parse({"PICTOR_API_KEYS_FILE": str(keys)})
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["state"]["exchange"].caller.owner)

    limits = made(app, settings=settings)
    await Call("GET", "/v1/models", {"x-api-key": key}, ()).through(limits)
    await Call("GET", "/healthz", {"x-api-key": key}, ()).through(limits)
    assert seen == ["alice", ""]


async def test_the_whole_address_leads_to_the_same_place(limits: Limits) -> None:
    """Otherwise it would be a way around: the routes behind take the path out of it."""
    around = Call("GET", "http://pictor/metrics", {}, ())
    assert (await around.through(limits)).code == "forbidden"
    large = {"content-length": "500000"}
    upload = Call("POST", "http://pictor/predict", large)
    assert (await upload.through(limits)).status == 200


async def test_what_there_is_no_room_for_costs_no_quota(
    app: App, flushed_redis_url: str
) -> None:
    settings = Settings.parse({"PICTOR_QUOTA_PER_MINUTE": "1"})
    link, admission = Keeper(flushed_redis_url), room_for_all()
    limits = made(app, admission, settings, Access(settings, link))
    admission.state.backlog["interactive"] = 10
    assert (await Call().through(limits)).code == "queue-full"
    assert (
        await Call(headers={"transfer-encoding": "x"}).through(limits)
    ).status == 411
    admission.state.backlog["interactive"] = 0
    assert (await Call().through(limits)).status == 200
    over = await Call().through(limits)
    assert (over.status, over.code) == (429, "quota-exceeded")
    assert 1 <= int(over.answer["retry-after"]) <= 61
    assert admission.state.backlog["interactive"] == 1, "it takes nobody's place"
    await link.close()


async def test_a_page_that_is_allowed_may_ask_and_read(app: App) -> None:
    settings = Settings.parse({"PICTOR_CORS_ORIGINS": "https://page.example"})
    limits = made(app, settings=settings)
    origin = {"origin": "https://page.example", "content-length": "3"}
    asked = {**origin, "access-control-request-method": "POST"}
    calls = [
        await Call("OPTIONS", "/predict", asked, ()).through(limits),
        await Call(headers=origin).through(limits),
        await Call(headers=origin | {"transfer-encoding": "x"}).through(limits),
    ]
    assert [call.status for call in calls] == [204, 200, 411]
    assert app.called == 1
    for call in calls:
        assert call.answer["access-control-allow-origin"] == "https://page.example"
        assert call.answer["vary"] == "Origin"
    evil = await Call(headers={**origin, "origin": "https://evil"}).through(limits)
    assert (evil.status, evil.code) == (403, "cross-site")
    assert "access-control-allow-origin" not in evil.answer
