"""What Schemathesis sends where the document says that bytes are a picture: pictures.

Loaded by its command line (``SCHEMATHESIS_HOOKS``); see `tests.integration.test_openapi`.
"""

import itertools
import os
from typing import Any

import schemathesis
from hypothesis import strategies as st

from gateway.feedback import LONGEST_LABEL
from tests.support.corpus.damage import good

PICTURES = tuple(good().values())
KINDS = {
    "image/jpeg": b"\xff\xd8",
    "image/png": b"\x89PNG",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}

schemathesis.openapi.format("binary", st.sampled_from(PICTURES))
for kind, signature in KINDS.items():
    alike = [picture for picture in PICTURES if picture.startswith(signature)]
    schemathesis.openapi.media_type(kind, st.sampled_from(alike))

# The id of a result that there is (RESULT_ID); every other time it stands for what was made up.
RESULT = itertools.cycle((os.environ["RESULT_ID"], None))


@schemathesis.hook
def map_path_parameters(
    context: Any, path_parameters: dict[str, Any]
) -> dict[str, Any]:
    """Lets results be found."""
    if "request_id" in (path_parameters or {}) and (known := next(RESULT)):
        return {**path_parameters, "request_id": known}
    return path_parameters


def _reported(body: dict[str, Any]) -> dict[str, Any]:
    """The report with a category that there is, where it names one."""
    label = body.get("label")
    if not isinstance(label, str) or not 0 < len(label) <= LONGEST_LABEL:
        return body
    return {**body, "label": "cup" if body.get("answered") != "cup" else "hen"}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Makes right what a schema cannot say: a rank within the predictions, a category of the model."""
    if case.operation.path == "/v1/feedback" and isinstance(case.body, dict):
        case.body = _reported(case.body)
    query = case.query or {}
    rank, top_k = str(query.get("explain", "")), str(query.get("top_k", 5))
    if rank.isdecimal() and top_k.isdecimal() and 1 <= int(top_k) < int(rank) <= 20:
        case.query = {**query, "top_k": int(rank)}
