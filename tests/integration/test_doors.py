"""Keys, quotas, other sites' pages and owners, through two gateways of a whole system."""

import base64
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest
import redis

from common import keys, wire
from gateway import api_keys
from tests.support.pictures import distinct, photograph
from tests.support.server import Server
from tests.support.system import ROOT, System, environment, free_port, with_model

COFFEE = photograph("coffee.png")
PAGE = "https://page.example"
QUOTA = 5
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems have one loopback address"
)
ELSEWHERE = "127.0.0.2"  # loopback, but none of the addresses that count as closed
PASSWORD = "redis-password-of-this-test"


@dataclass
class Doors:
    """A running system, its keys file, and a key of each kind."""

    system: System
    redis: Server
    file: Path
    keys: dict[str, str]

    def ask(
        self, method: str, path: str, who: str | None = None, **sent: object
    ) -> httpx.Response:
        """On a connection of its own, so that either gateway may answer."""
        headers = dict(sent.pop("headers", None) or {})  # type: ignore[call-overload]
        if who is not None:
            headers["Authorization"] = f"Bearer {self.keys[who]}"
        url = f"{self.system.url}{path}"
        return httpx.request(method, url, headers=headers, timeout=60, **sent)  # type: ignore[arg-type]

    def classify(self, who: str | None = None, **sent: object) -> httpx.Response:
        sent.setdefault("content", distinct(COFFEE))
        return self.ask("POST", "/v1/classify", who, **sent)


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("doors")
    data_dir = with_model(folder / "data", prepared / "models")
    file = folder / "keys.toml"
    made = {
        "alice": api_keys.add(file, "alice", ("classify", "feedback"), None),
        "bob": api_keys.add(file, "bob", ("classify",), None),
        "few": api_keys.add(file, "few", ("classify",), QUOTA),
        "several": api_keys.add(file, "several", ("classify",), QUOTA),
        "writer": api_keys.add(file, "writer", ("feedback",), None),
        "operator": api_keys.add(file, "operator", ("admin",), None),
    }
    with (
        Server() as server,
        System(
            data_dir,
            redis_url=_with_password(server),
            engine="litert",
            workers=1,
            gateways=2,
            cors_origins=PAGE,
            api_keys_file=file,
            log_level="debug",
        ) as system,
    ):
        yield Doors(system, server, file, made)


def _with_password(server: Server) -> str:
    """Has a server ask for a password from now on; its address with that."""
    with redis.Redis.from_url(server.url) as client:
        client.config_set("requirepass", PASSWORD)
    return server.url.replace("unix://", f"unix://:{PASSWORD}@")


@pytest.fixture
def server(doors: Doors) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(doors.redis.url, password=PASSWORD) as client:
        yield client


@contextlib.contextmanager
def gateway(redis_url: str, **settings: object) -> Iterator[tuple[int, list[str]]]:
    """A gateway alone, and what it has said once it has ended. Others could reach its address."""
    port, said = free_port(), list[str]()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway"],
        cwd=ROOT,
        env=environment(host=ELSEWHERE, port=port, redis_url=redis_url, **settings),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        waiting = httpx.HTTPTransport(retries=8)  # 0.5 s, then twice as long each time
        with httpx.Client(transport=waiting) as client:
            client.get(f"http://{ELSEWHERE}:{port}/healthz").raise_for_status()
        yield port, said
    finally:
        process.terminate()
        said += process.communicate(timeout=30)[1].splitlines()


def raw(port: int, request: str) -> str:
    """The answer to a request as no client library would write it."""
    with socket.create_connection((ELSEWHERE, port), 10) as connection:
        connection.sendall(f"{request}\r\nConnection: close\r\n\r\n".encode())
        return connection.makefile(encoding="latin-1", newline="").read()


@linux
def test_without_keys_metrics_are_for_this_machine_alone(redis_url: str) -> None:
    """And all else is open, of which its operator is warned."""
    with gateway(redis_url) as (port, said):
        url = f"http://{ELSEWHERE}:{port}"
        assert "pictor_requests" in httpx.get(f"{url}/metrics").text
        behind = httpx.get(f"{url}/metrics", headers={"X-Forwarded-For": "192.0.2.1"})
        assert behind.status_code == 403
        assert "PICTOR_API_KEYS_FILE" in behind.json()["detail"]
        assert httpx.get(url).status_code == 200
        assert httpx.get(f"{url}/feedback").status_code == 200
        for target in (f"{url}/metrics", "//metrics", f"{url}//metrics", "/%2fmetrics"):
            around = raw(port, f"GET {target} HTTP/1.1\r\nHost: x\r\nVia: 1.1 a")
            assert around.startswith("HTTP/1.1 403 "), target
    assert "everybody who reaches this host" in "".join(said)


@linux
def test_with_keys_nobody_needs_a_warning(redis_url: str, tmp_path: Path) -> None:
    """Nor is there a way around them in how an address is written."""
    file = tmp_path / "keys.toml"
    api_keys.add(file, "alice", ("classify",), None)
    with gateway(redis_url, api_keys_file=file) as (port, said):
        for target in (
            *("/v1/models", "//v1/models", "/v1/./models", "/static/../v1/models"),
            *("/%76%31/models", "/healthz/../v1/models", "/docs/assets/..%2f..%2f/v1"),
            *("http://x/v1/models", "x:1", "*", "?/healthz", "http://[/healthz"),
        ):
            answer = raw(port, f"GET {target} HTTP/1.1\r\nHost: x")
            status = int(answer.split(" ", 2)[1])
            assert status in (400, 401, 404), target
            assert "efficientnet" not in answer
            assert '"models"' not in answer
    assert "everybody who reaches this host" not in "".join(said)


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/openapi.json", "/docs", "/static/pictor.css"]
)
def test_what_needs_no_key(doors: Doors, path: str) -> None:
    assert doors.ask("GET", path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "who"),
    [
        ("GET", "/", "alice"),
        ("GET", "/v1/models", "alice"),
        ("GET", "/v1/labels", "bob"),
        ("GET", "/feedback", "writer"),
        ("GET", "/metrics", "operator"),
        ("GET", "/dashboard", "operator"),
        ("HEAD", "/v1/live", "operator"),
    ],
)
def test_a_key_opens_what_its_scopes_say_and_nothing_else(
    doors: Doors, method: str, path: str, who: str
) -> None:
    assert doors.ask(method, path, who).status_code == 200
    assert doors.ask(method, path).status_code == 401
    others = {"bob", "writer", "operator"} - {who}
    if who == "alice":
        others -= {"bob"}  # who may classify as well
    for other in others:
        refused = doors.ask(method, path, other)
        assert (refused.status_code, refused.headers["X-Error-Code"]) == (
            403,
            "forbidden",
        )


@pytest.mark.parametrize("path", ["/predict", "/v1/classify", "/", "/nothing"])
@pytest.mark.parametrize("wrong", ["", "pictor_alice_" + "A" * 43])
def test_without_a_valid_key_nothing_is_read(
    doors: Doors, path: str, wrong: str
) -> None:
    headers = {"X-API-Key": wrong} if wrong else {}
    answer = doors.ask("POST", path, headers=headers, content=COFFEE)
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith(
        "Basic" if path == "/" else "Bearer"
    )
    if path == "/predict":
        assert answer.json() == {"success": False, "prediction": None, "score": None}


def test_a_browser_uses_the_key_as_a_password(doors: Doors) -> None:
    asked = doors.ask("GET", "/")
    assert asked.headers["WWW-Authenticate"] == 'Basic realm="Pictor", charset="UTF-8"'
    with httpx.Client(
        base_url=doors.system.url, auth=("anybody", doors.keys["alice"]), timeout=60
    ) as browser:
        assert 'name="file"' in browser.get("/").text
        page = browser.post("/", files={"file": distinct(COFFEE)})
        assert "espresso" in page.text
        assert browser.post("/feedback", data={"report": "good"}).status_code == 200


def test_a_key_works_in_each_manner(doors: Doors) -> None:
    key = doors.keys["bob"]
    pair = base64.b64encode(f":{key}".encode()).decode()
    for headers in (
        {"Authorization": f"bearer {key}"},
        {"X-API-Key": key},
        {"Authorization": f"Basic {pair}"},
        {"Authorization": "Basic of-a-proxy", "X-API-Key": key},
    ):
        answer = doors.ask(
            "POST", "/predict", headers=headers, files={"file": distinct(COFFEE)}
        )
        assert answer.json()["prediction"] == "espresso"


def test_what_is_refused_is_counted(doors: Doors) -> None:
    doors.ask("GET", "/v1/models")
    counted = doors.ask("GET", "/metrics", "operator").text
    assert 'pictor_refused_total{code="unauthorized"}' in counted


def test_a_quota_holds_over_both_gateways(doors: Doors, server: redis.Redis) -> None:
    """Requests at once, each on a connection of its own: exactly the quota is answered."""
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(doors.classify("few")))
        for _ in range(3 * QUOTA)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [one.status_code for one in answers]
    # Where a minute ended in between, the last one still counts almost in full.
    assert QUOTA <= statuses.count(200) <= QUOTA + 1
    for refused in (one for one in answers if one.status_code != 200):
        assert refused.status_code == 429
        assert refused.json()["type"] == "quota-exceeded"
        assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert doors.classify("bob").status_code == 200, "another key's is its own"
    written = [name.decode() for name in server.scan_iter("*quota*")]
    assert written
    assert not [name for name in written if "few" in name or doors.keys["few"] in name]
    assert all(0 < server.ttl(name) <= 130 for name in written)


def test_pictures_sent_together_count_each(doors: Doors) -> None:
    def batch(count: int) -> httpx.Response:
        files = [("file", ("a.png", distinct(COFFEE))) for _ in range(count)]
        return doors.ask("POST", "/v1/batch", "several", files=files)

    never = batch(QUOTA + 1)
    assert (never.status_code, never.json()["type"]) == (413, "too-many")
    # A request that was read counts as one; of its pictures none, or all.
    refused = batch(QUOTA)
    assert (refused.status_code, refused.json()["type"]) == (429, "quota-exceeded")
    left = QUOTA - 2
    assert [one["status"] for one in batch(left).json()["results"]] == [200] * left
    assert doors.classify("several").status_code == 429
    assert doors.ask("POST", "/v1/batch", files=[]).status_code == 401


def test_a_key_is_added_and_removed_while_it_runs(doors: Doors) -> None:
    key = api_keys.add(doors.file, "guest", ("classify",), None)
    headers = {"X-API-Key": key}
    doors.system.wait_for("API keys read", 10)
    doors.system.wait_for("API keys read", 10)  # both gateways
    assert doors.ask("GET", "/v1/models", headers=headers).status_code == 200
    api_keys.remove(doors.file, "guest")
    doors.system.wait_for("API keys read", 10)
    doors.system.wait_for("API keys read", 10)
    assert doors.ask("GET", "/v1/models", headers=headers).status_code == 401


def test_a_broken_file_shuts_nobody_out(doors: Doors) -> None:
    right = doors.file.read_text()
    doors.file.write_text(right + "alice = oops\n")
    for _ in range(2):
        doors.system.wait_for("the API keys stay as they were", 10)
    assert doors.ask("GET", "/v1/models", "alice").status_code == 200
    doors.file.write_text(right)
    for _ in range(2):
        doors.system.wait_for("API keys read", 10)
    assert doors.ask("GET", "/v1/models", "alice").status_code == 200


def test_a_result_is_its_owners_alone(doors: Doors, server: redis.Redis) -> None:
    """Ended and pending alike; to others it is as if it had never been."""
    done = doors.classify("alice").json()["id"]
    running = wire.new_id(bytes(32))
    pending = wire.Pending(wire.VERSION, "alice", "bulk", ahead=3)
    server.set(keys.pending(running), wire.encode(pending), ex=60)
    for request_id, status in ((done, 200), (running, 202)):
        path = f"/v1/results/{request_id}"
        assert doors.ask("GET", path, "alice").status_code == status
        other = doors.ask("GET", path, "bob")
        never = doors.ask("GET", f"/v1/results/0-{'0' * 32}", "bob")
        assert (other.status_code, other.json()["type"]) == (404, "unknown-result")
        assert other.json()["detail"] == never.json()["detail"]
    stored = msgspec.msgpack.decode(server.get(keys.result(done)))  # type: ignore[arg-type]
    assert "alice" in stored
    assert doors.keys["alice"] not in str(stored)


def test_a_page_of_another_site_cannot_upload(doors: Doors) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        for path in ("/", "/predict", "/v1/classify", "/feedback", "/v1/feedback"):
            answer = doors.ask("POST", path, "alice", headers=headers, content=COFFEE)
            assert answer.status_code == 403
            assert answer.headers["X-Error-Code"] == "cross-site"
            assert "Access-Control-Allow-Origin" not in answer.headers


def test_our_own_page_can(doors: Doors) -> None:
    for headers in (
        {"Origin": doors.system.url},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    ):
        answer = doors.ask(
            "POST", "/", "alice", headers=headers, files={"file": distinct(COFFEE)}
        )
        assert "espresso" in answer.text


def test_a_page_that_is_allowed_can_call_the_api(doors: Doors) -> None:
    asked = doors.ask(
        "OPTIONS",
        "/v1/classify",
        headers={"Origin": PAGE, "Access-Control-Request-Method": "POST"},
    )
    assert asked.status_code == 204
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"]
    headers = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}
    answer = doors.classify("alice", headers=headers)
    assert answer.json()["predictions"][0]["label"] == "espresso"
    refused = doors.classify(headers=headers)
    assert refused.status_code == 401
    for one in (asked, answer, refused):
        assert one.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Access-Control-Allow-Credentials" not in one.headers
    report = doors.ask("POST", "/feedback", "alice", headers=headers)
    assert report.status_code == 403, "the page itself is no API"


def test_nothing_secret_is_ever_written(doors: Doors) -> None:
    """The last one: all that was said, at its most talkative, with Redis gone in the end."""
    doors.redis.kill()
    doors.system.wait_for("the subscription was lost", 10)
    assert doors.classify("few").status_code == 503, "nobody can count"
    said = "".join(doors.system.lines)
    assert "API keys read" in said
    for secret in (PASSWORD, *(key.split("_", 2)[2] for key in doors.keys.values())):
        assert secret not in said
