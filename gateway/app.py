"""The app: limits outside, the uploads of programs within (`gateway.direct`), Quart for all the rest.

Plain ASGI; any server will do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from quart import Quart, Response, abort, request
from quart_schema import QuartSchema, hide
from werkzeug.exceptions import HTTPException

from common.settings import Settings
from gateway import assets, failures, problems, service
from gateway.access import BATCH
from gateway.direct import Direct
from gateway.limits import Limits
from gateway.openapi import INFO, SCHEMES, TAGS, Provider
from gateway.routes.batch import post_batch
from gateway.routes.docs import docs
from gateway.routes.feedback import reports
from gateway.routes.feedback_page import reports_page
from gateway.routes.health import health
from gateway.routes.live import live
from gateway.routes.page import page
from gateway.routes.plain import plain, predict
from gateway.routes.v1 import post_classify, v1
from gateway.service import exchange

STATIC: Final = Path(__file__).parent / "static"


class _App(Quart):
    """Quart, with files that are read once (`gateway.assets`)."""

    files: Mapping[str, assets.Asset] = {}

    async def send_static_file(self, filename: str) -> Response:
        asset = self.files.get(filename)
        if asset is None:
            abort(404)
        headers = {**assets.HEADERS, "ETag": f'W/"{asset.tag}"'}
        if request.if_none_match.contains_weak(asset.tag):
            return Response(b"", 304, headers)
        body = asset.plain
        if asset.packed and request.accept_encodings["gzip"] > 0:
            body, headers["Content-Encoding"] = asset.packed, "gzip"
        return Response(body, 200, headers, content_type=asset.kind)


def create_app(settings: Settings) -> Quart:
    """Makes a gateway; it connects when the server starts it."""
    app = _App(__name__, static_folder="static", template_folder="templates")
    app.files = assets.read(STATIC)
    made = service.make(settings)
    service.install(app, made)
    app.config["MAX_CONTENT_LENGTH"] = (
        None  # gateway.limits counts, before the app is reached
    )
    app.config["BODY_TIMEOUT"] = None  # gateway.body has a pace
    app.config["RESPONSE_TIMEOUT"] = None
    for blueprint in (page, plain, v1, reports, reports_page, health, docs, live):
        app.register_blueprint(blueprint)
    for name in (
        "page.index",
        "page.post_index",
        "reports_page.reports_shown",
        "reports_page.report",
        "reports_page.export",
        "reports_page.pictures",
        "docs.show",
        "live.dashboard",
        "docs.asset",
    ):
        app.view_functions[name] = hide(app.view_functions[name])
    QuartSchema(
        app,
        info=INFO,
        tags=TAGS,
        openapi_provider_class=Provider,
        swagger_ui_path=None,
        redoc_ui_path=None,
        scalar_ui_path=None,
        conversion_preference="msgspec",
        security_schemes={**SCHEMES},
    )
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _failed)
    app.before_serving(made.start)
    app.after_serving(made.stop)
    direct = Direct(
        cast(Any, app.asgi_app),
        made,
        {"/predict": predict, "/v1/classify": post_classify, BATCH: post_batch},
    )
    limits = Limits(direct, settings, made.admission, made.access, made.traffic)
    app.asgi_app = cast(Any, limits)  # type: ignore[method-assign]
    return app


async def _failed(error: Exception) -> Response:
    request_id = exchange().request_id
    return _response(failures.answer(error, request.path, request.method, request_id))


async def _http_error(error: HTTPException) -> Any:
    if error.code is not None and error.code < 400:  # a redirect that routing asks for
        return error.get_response()
    reply = problems.of_status(
        error.code or 500, request.path, request.method, exchange().request_id
    )
    response = _response(reply)
    if "Allow" in (headers := dict(error.get_headers())):
        response.headers["Allow"] = headers["Allow"]
    return response


def _response(reply: problems.Reply) -> Response:
    return Response(reply.body, reply.status, dict(reply.headers))
