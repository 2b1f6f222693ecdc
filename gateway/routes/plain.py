"""``POST /predict``: the plain contract, always the same three keys."""

import msgspec
from quart import Blueprint
from quart_schema import document_response

from gateway.classify import Upload, classify
from gateway.problems import JSON, Reply
from gateway.routes.documented import documented

SCORE_DIGITS = 4

plain = Blueprint("plain", __name__)


class Prediction(msgspec.Struct, frozen=True):
    """The best category, spelt as Keras spells it, and its probability."""

    success: bool
    prediction: str | None
    score: float | None


@documented(plain, "/predict")
@document_response(Prediction)
@document_response(Prediction, 400)
@document_response(Prediction, 411)
@document_response(Prediction, 413)
@document_response(Prediction, 415)
@document_response(Prediction, 422)
@document_response(Prediction, 429)
@document_response(Prediction, 503)
@document_response(Prediction, 504)
async def predict(upload: Upload) -> Reply:
    """Classifies one picture, sent as the form field ``file`` or as the raw body."""
    best = (await classify(upload, top_k=1)).success.predictions[0]
    answer = Prediction(True, best.label, round(best.score, SCORE_DIGITS))
    return Reply(200, JSON, msgspec.json.encode(answer))
