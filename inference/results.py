"""How entries end, in the words of the wire: probabilities to predictions, refusals, cache hits."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from common import wire
from common.wire import MAX_TOP_K, VERSION
from inference.entries import Entry
from inference.models.labels import Label
from inference.publisher import Ending

CACHED_TIMING: Final = wire.Timing()

Best = tuple[tuple[int, float], ...]  # places among the labels, and probabilities


class Results:
    """Makes endings for one model.

    Attributes:
        model_digest: names the model in cached answers.
    """

    def __init__(
        self, model: str, model_digest: str, labels: Sequence[Label], *, cache: bool
    ) -> None:
        self.model_digest = model_digest
        self._model = model
        self._labels = labels
        self._cache = cache

    def success(
        self,
        entry: Entry,
        probabilities: NDArray[np.float32] | None,
        timing: wire.Timing,
        thumbnail: bytes = b"",
        phash: bytes | None = None,
    ) -> Ending:
        """The ending of an entry that was run.

        Args:
            entry: the entry.
            probabilities: float32 [classes], 0 to 1; None where the engine failed on the image.
            timing: where its time went.
            thumbnail: a JPEG, or nothing.
            phash: a perceptual hash, nothing where it has none; None: it was not looked for.
        """
        if probabilities is None:
            return self.failure(entry, "dead-letter")
        best = self.best(probabilities)
        told = self._told(entry, best, timing, thumbnail, phash=phash)
        known = wire.Known(VERSION, best, told.phash, told.hashed)
        return Ending(entry, told, known if self._cache else None)

    def explained(
        self,
        entry: Entry,
        best: Best,
        timing: wire.Timing,
        look: wire.Map,
        *,
        keep_best: bool = False,
        cached: bool = False,
    ) -> Ending:
        """The ending of an entry that asks for a map as well.

        Args:
            entry: the entry.
            best: see `best`.
            timing: where its time went.
            look: of the category of the rank that was asked for.
            keep_best: the categories are kept by content too, for nobody has found them before.
            cached: the map was found by content, and is not kept anew.
        """
        told = self._told(entry, best, timing, cached=cached, look=look)
        if cached or not self._cache:
            return Ending(entry, told)
        known = wire.Known(VERSION, best) if keep_best else None
        return Ending(entry, told, known, (best[look.rank - 1][0], look))

    @staticmethod
    def best(probabilities: NDArray[np.float32]) -> Best:
        """Places among the labels and probabilities, the most probable first."""
        count = min(MAX_TOP_K, len(probabilities))
        best = np.argpartition(probabilities, -count)[-count:]
        scores = probabilities[best]
        order = np.argsort(-scores, kind="stable")
        return tuple(zip(best[order].tolist(), scores[order].tolist(), strict=True))

    def _told(
        self,
        entry: Entry,
        best: Sequence[tuple[int, float]],
        timing: wire.Timing,
        thumbnail: bytes = b"",
        cached: bool = False,
        look: wire.Map | None = None,
        phash: bytes | None = None,
    ) -> wire.Success:
        """The best categories in words, as many as this entry asked for."""
        labels = [(self._labels[place], score) for place, score in best]
        return wire.Success(
            VERSION,
            entry.request.id,
            entry.request.owner,
            self._model,
            self.model_digest,
            tuple(
                wire.Prediction(label.wnid, label.label, label.description, score)
                for label, score in labels[: entry.request.top_k]
            ),
            timing,
            cached,
            thumbnail,
            entry.request.digest,
            look,
            phash or b"",
            phash is not None,
        )

    @staticmethod
    def failure(entry: Entry, code: str) -> Ending:
        """The ending of an entry that was refused or given up on."""
        request = entry.request
        return Ending(entry, wire.Failure(VERSION, request.id, request.owner, code))

    @staticmethod
    def expired(entries: Sequence[Entry], now_ms: float) -> list[Ending]:
        """Endings of those that nobody waits for any more."""
        return [
            Ending(entry, wire.Expired(VERSION, entry.request.id, entry.request.owner))
            for entry in entries
            if entry.expired(now_ms)
        ]

    def may_be_cached(self, entry: Entry) -> bool:
        """Whether to look; who wants a thumbnail needs the image decoded anyway."""
        return self._cache and not entry.request.thumbnail_px

    def cached(
        self, entries: Sequence[Entry], found: Sequence[bytes | None]
    ) -> list[Ending]:
        """Endings of those whose answer was found, with a perceptual hash where one is wanted.

        What cannot be read counts as not found.
        """
        endings = []
        for entry, data in zip(entries, found, strict=True):
            if data is None:
                continue
            try:
                known = wire.read_known(data)
                if entry.request.phash and not known.hashed:
                    continue
                told = self._told(
                    *(entry, known.best, CACHED_TIMING),
                    cached=True,
                    phash=known.phash if known.hashed else None,
                )
            except (
                wire.WireError,
                IndexError,
            ):  # another version's; it will be written anew
                continue
            endings.append(Ending(entry, told))
        return endings

    @staticmethod
    def kind(ending: Ending) -> str:
        """For the metrics: success, cached, failure or expired."""
        ended = ending.ended
        if isinstance(ended, wire.Success) and ended.cached:
            return "cached"
        return type(ended).__name__.lower()
