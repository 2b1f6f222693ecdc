"""Live: the page, and the stream of figures it follows."""

from typing import Final

from quart import Blueprint, Response, render_template, request
from quart_schema import document_response

from gateway.live import after
from gateway.live_sample import Sample
from gateway.problems import Problem
from gateway.service import service

HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep events back
    "Connection": "close",  # who comes back comes to a process that stays
}

live = Blueprint("live", __name__)


@live.get("/dashboard")
async def dashboard() -> str:
    """The page, with the newest figures in it."""
    return await render_template("dashboard.html", sample=service().sampler.latest)


@live.get("/v1/live")
@document_response(Sample)
@document_response(Problem, 503)
async def get_live() -> Response:
    """How things stand, once a second, for as long as one listens: server-sent events.

    First comes ``history``, whose data is an array of samples, the oldest first: those of the last five
    minutes, or, with ``Last-Event-ID``, what of them is newer. Then comes a ``sample`` a second. The id
    of an event is the time of its newest sample. Past samples are without the workers' points.
    """
    sampler = service().sampler
    sampler.check()
    asked = request.method == "GET"  # HEAD asks for the headers, and would wait on
    answer = Response(
        sampler.events(after(request.headers.get("Last-Event-ID"))) if asked else b"",
        content_type="text/event-stream",
        headers=HEADERS,
    )
    answer.timeout = None
    return answer
