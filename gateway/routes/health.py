"""For those who run it: does the process live, can it work, what has it counted."""

import os

import msgspec
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    generate_latest,
    multiprocess,
)
from quart import Blueprint, Response
from quart_schema import document_response

from gateway.service import service

health = Blueprint("health", __name__)


class Health(msgspec.Struct, frozen=True):
    """``status`` is ok or unready; ``reason`` says why not."""

    status: str
    reason: str = ""


@health.get("/healthz")
@document_response(Health)
async def healthz() -> Response:
    """The process lives."""
    return _answer(Health("ok"), 200)


@health.get("/readyz")
@document_response(Health)
@document_response(Health, 503)
async def readyz() -> Response:
    """Redis answers and a worker is warm."""
    here = service()
    reason = here.admission.unready()
    if here.traffic.leaving.is_set():
        reason = "this process is about to stop"
    elif not reason and not here.replies.connected:
        reason = "the subscription is being opened"
    return (
        _answer(Health("unready", reason), 503)
        if reason
        else _answer(Health("ok"), 200)
    )


@health.get("/metrics")
async def counted() -> Response:
    """What all gateway processes of this host have counted, for Prometheus."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        from prometheus_client import REGISTRY as registry  # noqa: N811
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _answer(state: Health, status: int) -> Response:
    return Response(msgspec.json.encode(state), status, content_type="application/json")
