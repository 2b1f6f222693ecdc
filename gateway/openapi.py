"""What quart-schema cannot know of the API: uploads, problem details, keys, what outer layers refuse."""

from typing import Any, Final

import msgspec
from quart_schema import (
    APIKeySecurityScheme,
    HttpSecurityScheme,
    Info,
    OpenAPIProvider,
    Tag,
)
from werkzeug.routing.rules import Rule

from gateway.access import scope_of
from gateway.problems import PLAIN_PATHS, Problem
from gateway.routes.plain import Prediction
from gateway.service import KEY

INFO: Final = Info(
    title="Pictor",
    version="1",
    description="Puts pictures into categories. Errors under /v1 are RFC 9457 problem details. "
    "Where keys are in use, one is sent as a bearer token, as X-API-Key, or as the password of "
    "HTTP Basic, with any name.",
)
TAGS: Final[list[Tag | dict[Any, Any]]] = [
    Tag("Classify", "Pictures in, categories out."),
    Tag("Catalogue", "What is served."),
    Tag("Feedback", "Whether it was right."),
    Tag("Operation", "For those who run it."),
]
TAG_OF: Final = {
    "/predict": "Classify",
    "/v1/classify": "Classify",
    "/v1/batch": "Classify",
    "/v1/results/{request_id}": "Classify",
    "/v1/models": "Catalogue",
    "/v1/labels": "Catalogue",
    "/v1/feedback": "Feedback",
    "/v1/feedback/{token}": "Feedback",
    "/v1/feedback/{token}/picture": "Feedback",
}
_BINARY: Final = {"type": "string", "format": "binary"}
_KINDS: Final = {
    kind: {"schema": _BINARY}
    for kind in ("image/jpeg", "image/png", "image/gif", "image/webp")
}
_UPLOAD: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": _BINARY},
                "required": ["file"],
            }
        },
        **_KINDS,
    },
}
_UPLOADS: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {"type": "array", "items": _BINARY, "minItems": 1}
                },
                "required": ["file"],
            }
        }
    },
}
_PICTURE: Final = {"required": True, "content": _KINDS}
_REFERENCE: Final = "#/components/schemas/{name}"
# What a status means; and those that any request may be answered with, before its route is reached.
MEANINGS: Final = {
    400: "A parameter is wrong, or there is no file, no picture, or only a part of one.",
    401: "There is no API key, or one that is not known.",
    403: "The key lacks the scope, a page of another site sent it, or no pictures are kept.",
    404: "There is no such result or report, or it has expired.",
    408: "The request did not arrive in time.",
    411: "The length of the body is not announced.",
    413: "More bytes than are taken.",
    415: "A picture, but not JPEG, PNG, GIF or WebP.",
    422: "More pixels than are taken, or no decoder survives it.",
    429: "There is no room; `Retry-After` says when to come back.",
    503: "Nobody is there to do the work; `Retry-After` says when to come back.",
    504: "Not answered in time.",
    507: "The folder of kept pictures cannot be written to.",
}
AT_DOORS: Final = (401, 403)
ANYWHERE: Final = (408, 411, 413, 429, 503)
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
}
_LOCATION: Final = {
    "Location": {
        "description": "Where the result will be.",
        "required": True,
        "schema": {"type": "string"},
    }
}
STREAM: Final = "/v1/live"
_EVENTS: Final = (
    "Server-sent events; the data of each is JSON: this, or an array of it."
)
_TEXT: Final = {
    "description": "Prometheus' text format.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}
TAKEN_BACK: Final = "/v1/feedback/{token}"
BODIES: Final = {
    "/predict": _UPLOAD,
    "/v1/classify": _UPLOAD,
    "/v1/batch": _UPLOADS,
    "/v1/feedback/{token}/picture": _PICTURE,
}
SCHEMES: Final = {
    "bearer": HttpSecurityScheme(scheme="bearer"),
    "apiKey": APIKeySecurityScheme(in_="header", name="X-API-Key"),
    "basic": HttpSecurityScheme(scheme="basic"),
}


class Provider(OpenAPIProvider):
    """Completes what quart-schema makes of the routes."""

    _made: dict[str, Any] | None = None

    def schema(self) -> dict[str, Any]:
        """Made once: it takes a while, in which nobody else is served, and everybody may ask."""
        if self._made is None:
            self._made = super().schema()
        return self._made

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        """The operations of a route and the components they use."""
        paths, components = super().build_paths(rule)
        for path, operations in paths.items():
            for operation in operations.values():
                operation["operationId"] = rule.endpoint.rpartition(".")[2]
                self._complete(path, operation)
                self._close(path, operation)
        return paths, components

    def _close(self, path: str, operation: dict[str, Any]) -> None:
        """Says which keys open it."""
        scope = scope_of(path)
        if scope is None:
            return
        keyed = bool(self._app.extensions[KEY].settings.api_keys_file)
        ways: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
        operation["security"] = ways if keyed else [*ways, {}]
        said = operation.get("description", "").rstrip()
        operation["description"] = f"{said}\n\nScope: `{scope}`.".lstrip()

    @staticmethod
    def _complete(path: str, operation: dict[str, Any]) -> None:
        operation["tags"] = [TAG_OF.get(path, "Operation")]
        for name in (
            "summary",
            "description",
        ):  # docstrings are reST, descriptions Markdown
            if name in operation:
                operation[name] = operation[name].replace("``", "`")
        if path in BODIES:
            operation["requestBody"] = BODIES[path]
        elif "requestBody" in operation:
            operation["requestBody"]["required"] = True
        responses = operation["responses"]
        if path == TAKEN_BACK:
            responses["204"] = {"description": "It is gone."}
        if not responses:
            responses["200"] = _TEXT
        model = Prediction if path in PLAIN_PATHS else Problem
        for status in (*ANYWHERE, *(AT_DOORS if scope_of(path) else ())):
            responses.setdefault(str(status), _response(model))
        operation["responses"] = {
            str(status): _told(path, int(status), response)
            for status, response in sorted(
                responses.items(), key=lambda one: str(one[0])
            )
        }

    def build_response_object(
        self, model: Any, headers_model: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A response, and the schemas of the structs within it, which quart-schema leaves out."""
        response, components = super().build_response_object(model, headers_model)
        _, schemas = msgspec.json.schema_components([model], ref_template=_REFERENCE)
        schemas.pop(model.__name__)
        return response, components | schemas


def _response(model: type[msgspec.Struct]) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components([model], ref_template=_REFERENCE)
    return {"content": {"application/json": {"schema": schemas[model.__name__]}}}


def _told(path: str, status: int, response: dict[str, Any]) -> dict[str, Any]:
    """A response with its meaning, the headers that matter, and under its true content type."""
    told = dict(response)
    content = told.get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    if schema.get("title") == Problem.__name__:
        told["content"] = {"application/problem+json": content["application/json"]}
    if status in MEANINGS and schema.get("title") in {
        Problem.__name__,
        Prediction.__name__,
    }:
        told["description"] = MEANINGS[status]
    if status == 200 and path == STREAM:
        told["content"] = {"text/event-stream": content["application/json"]}
        told["description"] = _EVENTS
    if status == 202:
        told["headers"] = _LOCATION
    if status in {429, 503} and path != "/readyz":
        told["headers"] = _RETRY_AFTER
    return told
