"""The description of the API says what the doors may answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.settings import Settings
from gateway import api_keys
from gateway.access import COUNTED, EXPORTS, SCOPES, scope_of
from gateway.app import create_app
from gateway.openapi import SCHEMES, Provider

FAILURE = {"success", "prediction", "score"}


async def described(**values: object) -> dict[str, Any]:
    app = create_app(Settings(redis_url="unix:///nowhere", **values))  # type: ignore[arg-type]
    answer = await app.test_client().get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = json.loads(await answer.get_data())
    return found


@pytest.mark.parametrize("keyed", [False, True])
async def test_each_operation_says_which_keys_open_it(
    keyed: bool, tmp_path: Path
) -> None:
    file = tmp_path / "keys.toml"
    api_keys.add(file, "alice", ("classify",), None)
    found = await described(api_keys_file=str(file) if keyed else "")
    ways = [{"bearer": []}, {"apiKey": []}, {"basic": []}]
    assert found["components"]["securitySchemes"].keys() == SCHEMES.keys()
    for path, operations in found["paths"].items():
        for operation in operations.values():
            scope = scope_of(path)
            if scope is None:
                assert path in ("/healthz", "/readyz")
                assert "security" not in operation
                continue
            assert f"`{scope}`" in operation["description"]
            assert operation["security"] == (ways if keyed else [*ways, {}])
            assert {"401", "403"} <= operation["responses"].keys()


async def test_refusals_are_described_in_the_manner_of_their_path() -> None:
    paths = (await described())["paths"]
    pages = {"/", "/feedback", "/dashboard", *EXPORTS}  # for people
    assert paths.keys() & SCOPES.keys() == set(SCOPES) - pages
    for path in paths.keys() & COUNTED:
        for status in ("401", "403", "429", "503"):
            content = paths[path]["post"]["responses"][status]["content"]
            kind = "json" if path == "/predict" else "problem+json"
            schema = content[f"application/{kind}"]["schema"]
            assert (schema["properties"].keys() == FAILURE) == (path == "/predict")


async def test_the_description_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(Settings(redis_url="unix:///nowhere"))
    first = await (await app.test_client().get("/openapi.json")).get_data()
    monkeypatch.setattr(Provider, "build_paths", None)
    again = await (await app.test_client().get("/openapi.json")).get_data()
    assert again == first
