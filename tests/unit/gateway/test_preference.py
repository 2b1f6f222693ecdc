"""The ``Prefer`` header: respond-async, and how long to wait before."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.preference import preferred_wait_s


@pytest.mark.parametrize(
    ("given_headers", "seconds"),
    [
        ([], math.inf),
        (["wait=5"], math.inf),
        (["respond-async"], 0),
        (["Respond-Async"], 0),
        (["respond-async, wait=5"], 5),
        (["wait=5", "respond-async"], 5),
        (['respond-async; x=y, wait="7"; z'], 7),
        (["respond-async, wait=soon"], 0),
        (["respond-async, wait=-1"], 0),
        (["respond-async, wait=5, wait=9"], 5),
    ],
)
def test_what_is_preferred(given_headers: list[str], seconds: float) -> None:
    assert preferred_wait_s(given_headers) == seconds


@given(st.lists(st.text()))
def test_any_header_is_understood_somehow(given_headers: list[str]) -> None:
    assert preferred_wait_s(given_headers) >= 0
