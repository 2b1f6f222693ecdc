"""What the gateway knows of an answer that a report is about, and of the categories it may name.

A result lives for PICTOR_RESULT_TTL_S. While it does, what it says counts, whatever the reporter says;
after that the reporter's word is all there is.
"""

import re
from dataclasses import dataclass
from typing import Final

from common import keys, logs, wire
from common.connections import Keeper
from common.errors import BadParameter
from gateway.admission import Admission

_ID: Final = re.compile(r"[0-9]{1,20}-[0-9a-f]{32}")

log = logs.get(__name__)


@dataclass(frozen=True)
class Facts:
    """Of one answer; empty or None is what nobody knows.

    Attributes:
        answered: the label.
        score: its probability, 0 to 1.
        model_digest: of the model that answered.
        digest: SHA-256 of the picture.
    """

    answered: str = ""
    score: float | None = None
    model_digest: str = ""
    digest: bytes = b""


def is_id(text: str) -> bool:
    """Whether this can be a request's id."""
    return _ID.fullmatch(text) is not None


async def of(link: Keeper, request_id: str, owner: str, claimed: Facts) -> Facts:
    """What the result says, or else what is claimed; raises as `Keeper.calls` does.

    Others' results are as if they were not there.
    """
    data = await link.call("GET", keys.result(request_id))
    if data is None:
        return claimed
    try:
        ended = wire.read_ended(data)
    except wire.WireError as error:
        log.warning("a result that cannot be read", id=request_id, reason=str(error))
        return claimed
    if not isinstance(ended, wire.Success) or ended.owner != owner:
        return claimed
    if not ended.predictions:
        return claimed
    best = ended.predictions[0]
    return Facts(
        best.label,
        min(1.0, max(0.0, best.score)),
        ended.model_digest,
        ended.digest or claimed.digest,
    )


async def labels(
    link: Keeper, admission: Admission, model_digest: str
) -> tuple[wire.Label, ...]:
    """The categories of the model that answered, or of the one that is served; empty: unknown."""
    served = [worker.model_digest for worker in admission.state.workers[:1]]
    named = [digest for digest in (model_digest, *served) if digest]
    if not named:
        return ()
    for data in await link.call("MGET", *map(keys.labels, named)):
        if data is not None:
            return wire.read_labels(data)
    return ()


def check(label: str, known: tuple[wire.Label, ...]) -> None:
    """Raises BadParameter where a label is none of the model's; unknown models have any."""
    if label and known and all(label != one.label for one in known):
        raise BadParameter(
            "`label` is no category of this model, spelt as Keras spells it; "
            "GET /v1/labels?q= finds them."
        )


def named(text: str, known: tuple[wire.Label, ...]) -> str:
    """The label of the one category that somebody has named in words; empty where none or several."""
    wanted = _plain(text)
    found = {one.label for one in known if wanted and wanted in _names(one)}
    return found.pop() if len(found) == 1 else ""


def _names(label: wire.Label) -> set[str]:
    return {_plain(name) for name in (label.label, *label.description.split(","))}


def _plain(text: str) -> str:
    return " ".join(text.replace("_", " ").casefold().split())
