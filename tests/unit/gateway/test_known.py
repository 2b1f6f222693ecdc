"""Answers from this process's own memory: the right one, no longer than allowed, and bounded."""

import hashlib
import time

import pytest

from common import wire
from gateway import known as known_module
from gateway.known import Known

SERVED = "d1"


def success(count: int = 5, **changed: object) -> wire.Success:
    predictions = tuple(
        wire.Prediction(f"n{n}", f"label{n}", f"words {n}", 0.9 - n / 10)
        for n in range(count)
    )
    values = {"timing": wire.Timing(1, 2, 3, 4), **changed}
    return wire.Success(1, "0-ab", "alice", "m", SERVED, predictions, **values)  # type: ignore[arg-type]


def digest(number: int = 0) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


@pytest.fixture
def known() -> Known:
    return Known(60, lambda model_digest: model_digest == SERVED)


def test_what_was_answered_is_known_under_a_new_id(known: Known) -> None:
    known.keep(digest(), 5, success())
    found = known.find(digest(), 3, "bob")
    assert found is not None
    assert found.cached
    assert found.owner == "bob"
    assert found.id.startswith("0-") and found.id != "0-ab"
    assert found.predictions == success().predictions[:3]
    assert found.timing == wire.Timing()
    assert known.find(digest(1), 3, "bob") is None


def test_more_predictions_than_were_asked_for_are_not_known(known: Known) -> None:
    known.keep(digest(), 1, success(1))
    assert known.find(digest(), 2, "") is None
    known.keep(digest(), 5, success(3))  # a model of three categories
    known.keep(digest(), 1, success(1))  # does not take the place of more
    found = known.find(digest(), 5, "")
    assert found is not None and len(found.predictions) == 3


def test_an_answer_for_which_nobody_looked_for_a_perceptual_hash_has_none(
    known: Known,
) -> None:
    known.keep(digest(1), 5, success())
    assert known.find(digest(1), 5, "", phash=True) is None
    assert known.find(digest(1), 5, "") is not None
    for looked in (b"", bytes(8)):
        known.keep(digest(1), 5, success(5, phash=looked, hashed=True))
        found = known.find(digest(1), 5, "", phash=True)
        assert found is not None and found.phash == looked


def test_an_answer_with_a_perceptual_hash_takes_the_place_of_one_without(
    known: Known,
) -> None:
    known.keep(digest(1), 10, success(10))
    known.keep(digest(1), 5, success(phash=bytes(8), hashed=True))
    assert known.find(digest(1), 5, "", phash=True) is not None
    known.keep(digest(1), 10, success(10))
    assert known.find(digest(1), 5, "", phash=True) is not None


@pytest.mark.parametrize("changed", [{"cached": True}, {"thumbnail": b"jpeg"}])
def test_what_may_be_older_or_is_large_is_not_kept(
    known: Known, changed: dict[str, object]
) -> None:
    known.keep(digest(), 5, success(**changed))  # type: ignore[arg-type]
    assert known.find(digest(), 5, "") is None


def test_it_is_forgotten_in_time(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    known.keep(digest(), 5, success())
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 59)
    assert known.find(digest(), 5, "") is not None
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    assert known.find(digest(), 5, "") is None


def test_a_model_that_is_no_longer_served_answers_nothing(known: Known) -> None:
    known.keep(digest(), 5, success())
    known._serves = lambda model_digest: False
    assert known.find(digest(), 5, "") is None
    known._serves = lambda model_digest: True
    assert known.find(digest(), 5, "") is None  # also not when it comes back


def test_switched_off_it_keeps_nothing() -> None:
    known = Known(0, lambda model_digest: True)
    known.keep(digest(), 5, success())
    assert known.find(digest(), 5, "") is None


def test_the_longest_unused_goes_first(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_module, "MOST", 3)
    for number in range(3):
        known.keep(digest(number), 5, success())
    assert known.find(digest(0), 5, "") is not None  # used
    known.keep(digest(3), 5, success())
    assert known.find(digest(1), 5, "") is None
    assert known.find(digest(0), 5, "") is not None
