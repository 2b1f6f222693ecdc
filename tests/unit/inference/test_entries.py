"""Entries as a worker reads them: whatever stands on the stream, an entry or a wire error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import wire
from common.wire import WireError
from inference.entries import Entry, equal_together, read_entry

STREAM = "pictor:{0}:requests:m:interactive"
REQUESTS = st.builds(
    *(wire.Request, st.integers(0, 9), st.text(max_size=40), st.binary(max_size=32)),
    *(
        st.integers(0, 2**60),
        st.integers(1, 20),
        st.integers(0, 320),
        st.text(max_size=9),
    ),
)
NAMES = st.sampled_from([b"h", b"img"]) | st.binary(max_size=5)
VALUES = REQUESTS.map(wire.encode) | st.binary(max_size=60)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=5).map(
    lambda pairs: [item for pair in pairs for item in pair]
)


@given(request=REQUESTS, image=st.binary(), more=FIELDS)
def test_what_a_gateway_adds_is_read(
    request: wire.Request, image: bytes, more: list[bytes]
) -> None:
    """Also with fields of a later version's before it."""
    fields = [*more, b"h", wire.encode(request), b"img", image]
    assert read_entry(STREAM, b"1700000000000-0", fields) == Entry(
        STREAM, b"1700000000000-0", request, image
    )


@given(fields=FIELDS | st.lists(VALUES | NAMES, max_size=7))
def test_any_fields_are_an_entry_or_a_wire_error(fields: list[bytes]) -> None:
    try:
        entry = read_entry(STREAM, b"1-0", fields)
    except WireError as error:
        assert str(error)
    else:
        assert entry.image in fields
        assert wire.encode(entry.request)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [b"h"],
        [b"img", b"x"],
        [b"h", b"\xff", b"img", b"x"],
        [b"h", wire.encode(wire.Request(1, "0-a", b"d", 1)), b"img"],
        [b"h", wire.encode(wire.Request(1, "0-a", b"d", 1))],
        [b"h", wire.encode([1, 2, 3, 4]), b"img", b"x"],
        [b"h", wire.encode([1, "0-a", b"d", "soon"]), b"img", b"x"],
    ],
)
def test_what_is_no_entry_is_a_wire_error(fields: list[Any]) -> None:
    with pytest.raises(WireError):
        read_entry(STREAM, b"1-0", fields)


def test_equal_images_are_together_in_order() -> None:
    entries = [
        Entry(
            STREAM, b"%d-0" % n, wire.Request(1, "0-a", digest, 1, thumbnail_px=px), b""
        )
        for n, (digest, px) in enumerate([(b"a", 0), (b"b", 0), (b"a", 0), (b"a", 9)])
    ]
    groups = [[entry.id for entry in group] for group in equal_together(entries)]
    assert groups == [[b"0-0", b"2-0"], [b"1-0"], [b"3-0"]]
