"""``POST /predict``: the plain contract, always the same three keys."""

import msgspec
from quart import Blueprint, Response
from quart_schema import document_response

from gateway.classify import classify

SCORE_DIGITS = 4

plain = Blueprint("plain", __name__)


class Prediction(msgspec.Struct, frozen=True):
    """The best category, spelt as Keras spells it, and its probability."""

    success: bool
    prediction: str | None
    score: float | None


@plain.post("/predict")
@document_response(Prediction)
@document_response(Prediction, 400)
@document_response(Prediction, 411)
@document_response(Prediction, 413)
@document_response(Prediction, 415)
@document_response(Prediction, 422)
@document_response(Prediction, 429)
@document_response(Prediction, 503)
@document_response(Prediction, 504)
async def predict() -> Response:
    """Classifies one picture, sent as the form field ``file`` or as the raw body."""
    best = (await classify(top_k=1)).success.predictions[0]
    answer = Prediction(True, best.label, round(best.score, SCORE_DIGITS))
    return Response(msgspec.json.encode(answer), content_type="application/json")
