"""What quart-schema cannot know of the API: uploads, problem details, keys, that a body is required."""

from typing import Any, Final

from quart_schema import (
    APIKeySecurityScheme,
    HttpSecurityScheme,
    Info,
    OpenAPIProvider,
    Tag,
)
from werkzeug.routing.rules import Rule

from gateway.access import COUNTED, scope_of
from gateway.problems import Problem
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
    "/v1/results/{request_id}": "Classify",
    "/v1/models": "Catalogue",
    "/v1/labels": "Catalogue",
    "/v1/feedback": "Feedback",
}
_BINARY: Final = {"type": "string", "format": "binary"}
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
        **{
            kind: {"schema": _BINARY}
            for kind in ("image/jpeg", "image/png", "image/gif", "image/webp")
        },
    },
}
UPLOADS: Final = frozenset({"/predict", "/v1/classify"})
SCHEMES: Final = {
    "bearer": HttpSecurityScheme(scheme="bearer"),
    "apiKey": APIKeySecurityScheme(in_="header", name="X-API-Key"),
    "basic": HttpSecurityScheme(scheme="basic"),
}


class Provider(OpenAPIProvider):
    """Completes what quart-schema makes of the routes."""

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
        """Says what the doors may answer, and which key opens them."""
        scope = scope_of(path)
        if scope is None:
            return
        keyed = bool(self._app.extensions[KEY].settings.api_keys_file)
        ways: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
        operation["security"] = ways if keyed else [*ways, {}]
        said = operation.get("description", "").rstrip()
        operation["description"] = f"{said}\n\nScope: `{scope}`.".lstrip()
        responses = operation["responses"]
        problem, _ = self.build_response_object(Problem, None)
        problem["content"] = {
            "application/problem+json": problem["content"]["application/json"]
        }
        plain = responses.get(400) if path == "/predict" else None
        for status in (401, 403, *((429, 503) if path in COUNTED else ())):
            responses.setdefault(status, plain or problem)

    @staticmethod
    def _complete(path: str, operation: dict[str, Any]) -> None:
        operation["tags"] = [TAG_OF.get(path, "Operation")]
        for name in (
            "summary",
            "description",
        ):  # docstrings are reST, descriptions Markdown
            if name in operation:
                operation[name] = operation[name].replace("``", "`")
        if path in UPLOADS:
            operation["requestBody"] = _UPLOAD
        elif "requestBody" in operation:
            operation["requestBody"]["required"] = True
        if not operation["responses"]:
            operation["responses"] = {200: {"description": "Text."}}
        for status, response in operation["responses"].items():
            if path.startswith("/v1/") and int(status) >= 400:
                content = response["content"]
                content["application/problem+json"] = content.pop("application/json")
