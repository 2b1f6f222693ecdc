import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.errors import PatienceOver
from client.patience import (
    LONGEST_ASKED_S,
    LONGEST_S,
    Gate,
    Patience,
    asked_s,
    backoff_s,
)


@given(st.integers(1, 10_000))
def test_waits_grow_to_a_bound_and_are_never_nothing(failures: int) -> None:
    assert 0.1 <= backoff_s(failures) <= LONGEST_S


def test_waits_double_at_first() -> None:
    assert backoff_s(3) > backoff_s(1) * 2 * 0.99


@given(st.one_of(st.none(), st.text(), st.floats().map(str), st.integers().map(str)))
def test_whatever_a_server_says_the_wait_is_bounded(said: str | None) -> None:
    assert 0 <= asked_s(said, 1.0) <= LONGEST_ASKED_S


def test_a_retry_after_is_obeyed() -> None:
    assert Patience(None).after("full", "7") == 7
    assert asked_s("Wed, 21 Oct 2026 07:28:00 GMT", 1.5) == 1.5


def test_patience_is_over_when_the_next_try_would_be_too_late() -> None:
    with pytest.raises(PatienceOver, match=r"within 3 s.*queue is full"):
        Patience(3).after("the queue is full", "4")
    Patience(None).after("the queue is full", "40")


def test_a_success_lets_failures_be_counted_from_the_beginning() -> None:
    patience = Patience(None)
    for _ in range(10):
        patience.after("broken")
    patience.succeeded()
    assert patience.after("broken") <= 0.2


async def test_a_closed_gate_lets_nobody_through_until_its_time() -> None:
    gate, started = Gate(), time.monotonic()
    gate.close_for(0.15)
    gate.close_for(0.05)  # the later time counts
    await gate.passed()
    assert time.monotonic() - started >= 0.15
