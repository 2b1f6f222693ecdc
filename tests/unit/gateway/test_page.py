"""What the pages say in words."""

import pytest

from common import wire
from gateway.feedback import in_words
from gateway.routes.page import sureness


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (1.0, "very sure"),
        (0.9, "very sure"),
        (0.8999, "fairly sure"),
        (0.6, "fairly sure"),
        (0.3, "not sure"),
        (0.2999, "a guess"),
        (0.0, "a guess"),
    ],
)
def test_a_probability_in_words(score: float, words: str) -> None:
    assert sureness(score) == words


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (wire.Report(1, text="A cat!", label="tabby", verdict="wrong"), "A cat!"),
        (wire.Report(1, label="tabby", verdict="wrong"), "It is really: tabby"),
        (wire.Report(1, verdict="right"), "Reported as right."),
        (wire.Report(1), "Reported as remarkable."),
    ],
)
def test_a_report_in_words(report: wire.Report, words: str) -> None:
    assert in_words(report) == words
