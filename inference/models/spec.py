"""A model as the rest of the worker knows it, before and without building it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from .labels import Label
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

DIGEST_LENGTH: Final = (
    32  # hexadecimal digits, 128 bits: names files and cached answers
)


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be built.

    Attributes:
        name: what people call it, such as ``efficientnet_lite0``.
        digest: equal exactly when the answers are, in float32: covers weights, recipe, preprocessing, labels.
        preprocessing: what the decoder needs to know.
        labels: one for each output of the network, in order.
    """

    name: str
    digest: str
    preprocessing: Preprocessing
    labels: tuple[Label, ...] = field(repr=False)
    _builder: Callable[[], "keras.Model"] = field(repr=False, compare=False)

    def build(self) -> "keras.Model":
        """Builds the Keras model with its weights; this is the reference for every engine.

        Returns:
            uint8 [N, H, W, 3] RGB in 0..255 to float32 [N, C] probabilities.

        Raises:
            StartError: weights are missing or do not fit.
        """
        return self._builder()


def digest(
    recipe: str, weights: str, preprocessing: Preprocessing, labels: tuple[Label, ...]
) -> str:
    """The digest of a model, equal in every process and on every machine.

    Args:
        recipe: names the code that builds the network and its version.
        weights: SHA-256 of the weights, hexadecimal.
        preprocessing: what the decoder is told.
        labels: all of them, in order.

    Returns:
        32 lower-case hexadecimal digits.
    """
    parts = msgspec.json.encode([recipe, weights, preprocessing, labels])
    return hashlib.sha256(parts).hexdigest()[:DIGEST_LENGTH]


def float16_digest(digest: str) -> str:
    """Names a model's answers that are computed in float16: they are others than its own."""
    return hashlib.sha256(f"{digest}/float16".encode()).hexdigest()[:DIGEST_LENGTH]
