"""``POST /predict``: the plain contract, always the same three keys."""

import msgspec
from quart import Blueprint, Response

from gateway.classify import classify

SCORE_DIGITS = 4

plain = Blueprint("plain", __name__)


class Prediction(msgspec.Struct, frozen=True):
    """The best category, spelt as Keras spells it, and its probability."""

    success: bool
    prediction: str | None
    score: float | None


@plain.post("/predict")
async def predict() -> Response:
    """Classifies one picture, sent as the form field ``file`` or as the raw body."""
    best = (await classify(top_k=1)).success.predictions[0]
    answer = Prediction(True, best.label, round(best.score, SCORE_DIGITS))
    return Response(msgspec.json.encode(answer), content_type="application/json")
