"""The tree of errors: drawn in full, unique codes, messages that are safe to show."""

import re

import pytest

from common import errors
from common.errors import (
    BY_CODE,
    PictorError,
    RequestError,
    StartError,
    Undecodable,
    from_code,
)

KINDS = RequestError.__subclasses__()


def test_the_drawing_shows_every_class_with_its_status() -> None:
    drawn = dict(re.findall(r"── (\w+) +(\d{3})? ", errors.__doc__ or ""))
    defined = {
        name: str(kind.status) if kind in KINDS else ""
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, PictorError)
    }
    del defined["PictorError"]  # the root, drawn without a line
    assert drawn == defined


def test_every_code_names_one_class() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS) == len(BY_CODE)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code) for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_fits_into_a_header(kind: type[RequestError]) -> None:
    """ASCII, one line, at most 200 characters; a sentence each for what is wrong and what to do."""
    detail = kind().detail
    assert detail.isascii()
    assert detail.isprintable()
    assert len(detail) <= 200
    assert kind.title.endswith(".")
    assert kind.advice.endswith(".")
    assert 400 <= kind.status < 600


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_made_again_from_its_code(kind: type[RequestError]) -> None:
    assert type(from_code(kind.code)) is kind


@pytest.mark.parametrize("code", ["", "of-a-newer-version", "Undecodable"])
def test_a_code_unknown_here_is_undecodable(code: str) -> None:
    assert type(from_code(code)) is Undecodable


def test_advice_can_be_more_exact() -> None:
    error = errors.TooLarge("At most 2 MB are taken.")
    assert error.detail == "The file is too large. At most 2 MB are taken."
    assert errors.Busy(retry_after_s=1.5).retry_after_s == 1.5


def test_who_cannot_start_is_no_request_that_failed() -> None:
    assert not issubclass(StartError, RequestError)
    assert issubclass(errors.SettingsError, StartError)
