"""How entries end, in the words of the wire."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import wire
from inference.entries import Entry
from inference.models.labels import Label
from inference.results import Results

LABELS = tuple(Label(f"n{i:02}", f"label_{i}", f"label {i}") for i in range(30))
TIMING = wire.Timing(1.0, 2.0, 3.0, 4)


def entry(
    number: int = 1,
    top_k: int = 5,
    thumbnail_px: int = 0,
    owner: str = "me",
    phash: bool = False,
) -> Entry:
    digest = hashlib.sha256(b"image").digest()
    request = wire.Request(
        *(1, f"0-{number:032x}", digest, 10_000, top_k, thumbnail_px, owner),
        phash=phash,
    )
    return Entry("stream", b"1000-%d" % number, request, b"image")


@pytest.fixture
def results() -> Results:
    return Results("m", "d1", LABELS, cache=True)


def probabilities(count: int = 30) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    values = np.random.default_rng(0).random(count, dtype=np.float32)
    return np.asarray(values / values.sum(), np.float32)


@pytest.mark.parametrize("top_k", [1, 5, 20])
def test_the_most_probable_come_first_as_many_as_wanted(
    results: Results, top_k: int
) -> None:
    row = probabilities()
    ended = results.success(entry(top_k=top_k), row, TIMING, b"jpeg").ended
    assert isinstance(ended, wire.Success)
    best = np.argsort(-row)[:top_k]
    assert [p.label for p in ended.predictions] == [LABELS[i].label for i in best]
    assert [p.score for p in ended.predictions] == [float(row[i]) for i in best]
    assert ended.predictions[0].wnid == LABELS[best[0]].wnid
    assert (ended.id, ended.owner) == (entry().request.id, "me")
    assert (ended.model, ended.model_digest) == ("m", "d1")
    assert (ended.timing, ended.thumbnail, ended.cached) == (TIMING, b"jpeg", False)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30))
def test_predictions_are_in_order_and_their_own(row: list[float]) -> None:
    """Also with fewer classes than are wanted, and with equal probabilities."""
    results = Results("m", "d1", LABELS[: len(row)], cache=True)
    ended = results.success(entry(top_k=20), np.array(row, np.float32), TIMING).ended
    assert isinstance(ended, wire.Success)
    scores = [p.score for p in ended.predictions]
    assert scores == sorted(row, reverse=True)[:20]
    labels = [label.label for label in LABELS]
    for prediction in ended.predictions:
        assert row[labels.index(prediction.label)] == prediction.score
    assert len({p.label for p in ended.predictions}) == len(scores)


def test_what_is_kept_by_content_is_the_whole_answer_without_a_thumbnail(
    results: Results,
) -> None:
    ending = results.success(entry(top_k=1), probabilities(), TIMING, b"jpeg")
    assert ending.cache is not None
    assert len(ending.cache.best) == wire.MAX_TOP_K
    assert len(wire.encode(ending.cache)) < 300


def test_without_a_cache_nothing_is_kept_nor_looked_up() -> None:
    results = Results("m", "d1", LABELS, cache=False)
    assert results.success(entry(), probabilities(), TIMING).cache is None
    assert not results.may_be_cached(entry())


def test_who_wants_a_thumbnail_needs_the_image_decoded(results: Results) -> None:
    assert results.may_be_cached(entry())
    assert not results.may_be_cached(entry(thumbnail_px=320))


def test_an_engine_that_failed_on_an_image_is_that_images_failure(
    results: Results,
) -> None:
    ending = results.success(entry(), None, TIMING)
    assert ending.ended == wire.Failure(1, entry().request.id, "me", "dead-letter")
    assert ending.cache is None


def test_a_cached_answer_becomes_the_entrys_own(results: Results) -> None:
    first = results.success(entry(1, owner="another"), probabilities(), TIMING)
    known = wire.encode(first.cache)
    (ending,) = results.cached([entry(2, top_k=3)], [known])
    assert isinstance(ending.ended, wire.Success)
    assert (ending.ended.id, ending.ended.owner) == (entry(2).request.id, "me")
    assert len(ending.ended.predictions) == 3
    assert ending.ended.cached
    assert ending.ended.timing == wire.Timing()
    assert ending.cache is None  # it is kept already


def test_who_wants_a_perceptual_hash_is_told_of_one_that_was_looked_for(
    results: Results,
) -> None:
    def found(kept: bytes | None, wanted: bool) -> list[tuple[bytes, bool]]:
        first = results.success(entry(), probabilities(), TIMING, b"", kept)
        endings = results.cached([entry(2, phash=wanted)], [wire.encode(first.cache)])
        told = [ending.ended for ending in endings]
        good = [one for one in told if isinstance(one, wire.Success)]
        return [(one.phash, one.hashed) for one in good]

    assert found(None, wanted=True) == []
    assert found(None, wanted=False) == [(b"", False)]
    assert found(b"", wanted=True) == [(b"", True)]
    assert found(bytes(8), wanted=True) == [(bytes(8), True)]
    assert found(bytes(8), wanted=False) == [(bytes(8), True)]


def test_only_what_is_found_and_can_be_read_counts(results: Results) -> None:
    good = wire.encode(results.success(entry(), probabilities(), TIMING).cache)
    failure = wire.encode(results.failure(entry(), "broken-image").ended)
    entries = [entry(n) for n in range(4)]
    endings = results.cached(entries, [None, b"\xc1", failure, good])
    assert [ending.entry for ending in endings] == [entries[3]]


@pytest.mark.parametrize(("now_ms", "late"), [(10_999.9, False), (11_000, True)])
def test_an_entry_expires_by_the_clock_of_redis(
    results: Results, now_ms: float, late: bool
) -> None:
    """It was added at 1,000 ms and is wanted for 10,000 ms."""
    endings = results.expired([entry()], now_ms)
    assert [ending.ended for ending in endings] == (
        [wire.Expired(1, entry().request.id, "me")] if late else []
    )


def test_endings_have_names_for_the_metrics(results: Results) -> None:
    success = results.success(entry(), probabilities(), TIMING)
    (cached,) = results.cached([entry()], [wire.encode(success.cache)])
    (expired,) = results.expired([entry()], 1e9)
    failure = results.failure(entry(), "undecodable")
    kinds = [results.kind(ending) for ending in (success, cached, expired, failure)]
    assert kinds == ["success", "cached", "expired", "failure"]
