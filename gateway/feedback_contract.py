"""What ``/v1/feedback`` asks and answers, as ``/openapi.json`` describes it."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway import feedback

LONGEST_ID: Final = 64  # characters
ReportId = Annotated[str, Meta(pattern=r"^[0-9]+-[0-9a-f]{32}$", max_length=LONGEST_ID)]
Label = Annotated[str, Meta(max_length=feedback.LONGEST_LABEL)]
Score = Annotated[float, Meta(ge=0, le=1)]
ModelDigest = Annotated[str, Meta(pattern=r"^[0-9a-f]{1,64}$", max_length=64)]
Digest = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-f]{64}$", max_length=64, description="The picture's SHA-256."
    ),
]


class FeedbackBody(msgspec.Struct, frozen=True):
    """Whether an answer was right, and what would have been.

    ``label`` is the category that would have been right, as Keras spells it. What the answer was
    (``answered``, ``score``, ``model_digest``, ``digest``) need not be said while its result is still
    known here; what is known then counts.
    """

    id: ReportId
    verdict: Literal["right", "wrong"]
    label: Label = ""
    text: Annotated[str, Meta(max_length=feedback.LONGEST_TEXT)] = ""
    answered: Label = ""
    score: Score | None = None
    model_digest: ModelDigest | None = None
    digest: Digest | None = None


class Stored(msgspec.Struct, frozen=True):
    """The feedback was stored; who has the ``token`` can take it back, or add the picture."""

    id: str
    token: str
    stored: bool = True


class KeptPicture(msgspec.Struct, frozen=True):
    """The picture lies with the report ``id`` is of, ``until`` then (ISO 8601, UTC) at the latest."""

    id: str
    until: str
    kept: bool = True
