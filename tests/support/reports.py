"""Reports to a running system, by its API."""

import json
import re
from typing import Any

import httpx


def classified(client: httpx.Client, picture: bytes) -> dict[str, Any]:
    answer = client.post("/v1/classify", content=picture)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def reported(client: httpx.Client, **said: object) -> str:
    answer = client.post("/v1/feedback", json=said)
    assert answer.status_code == 201, answer.text
    stored = answer.json()
    assert stored == {"id": said["id"], "stored": True, "token": stored["token"]}
    assert re.fullmatch(r"[0-9]+-[0-9]+-[0-9a-f]{32}", stored["token"])
    return str(stored["token"])


def line(client: httpx.Client, request_id: str) -> dict[str, Any] | None:
    """The newest report about an answer, as it is exported."""
    answer = client.get("/feedback/export.jsonl")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    lines = [json.loads(one) for one in answer.text.splitlines()]
    return next((x for x in reversed(lines) if x["request_id"] == request_id), None)


def problem(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["type"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
