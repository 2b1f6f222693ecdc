"""Routes that Quart knows, but does not answer: `gateway.direct` stands before it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from quart import Blueprint

from gateway.classify import Upload
from gateway.problems import Reply

Handler = TypeVar("Handler", bound=Callable[[Upload], Awaitable[Reply]])


def documented(blueprint: Blueprint, path: str) -> Callable[[Handler], Handler]:
    """Makes a handler of POST known to Quart: for ``/openapi.json``, and for 405 to other methods."""

    def add(handler: Handler) -> Handler:
        blueprint.add_url_rule(path, view_func=cast(Any, handler), methods=["POST"])
        return handler

    return add
