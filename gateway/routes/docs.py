"""``/docs``: the OpenAPI description for people, from assets on this machine."""

from pathlib import Path
from typing import Final

import flask_swagger_ui
from quart import (
    Blueprint,
    Response,
    abort,
    render_template,
    send_from_directory,
)

ASSETS: Final = Path(flask_swagger_ui.__file__).parent / "dist"
SERVED: Final = frozenset({"swagger-ui.css", "swagger-ui-bundle.js"})

docs = Blueprint("docs", __name__)


@docs.get("/docs")
async def show() -> str:
    """The page."""
    return await render_template("docs.html")


@docs.get("/docs/assets/<name>")
async def asset(name: str) -> Response:
    """Swagger UI's own files."""
    if name not in SERVED:
        abort(404)
    return await send_from_directory(ASSETS, name)
