"""Messages: what is written is read again, by the next version too, and bytes never crash a reader."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import wire
from common.keys import LANES
from common.wire import WireError

texts = st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
versions = st.integers(0, 2**31)
counts = st.integers(0, 2**60)
timings = st.builds(wire.Timing, numbers, numbers, numbers, st.integers(0, 512))
predictions = st.builds(wire.Prediction, texts, texts, texts, numbers)
REQUESTS = st.builds(
    *(wire.Request, versions, texts, st.binary(min_size=32, max_size=32)),
    *(st.integers(0, 2**60), st.integers(1, 20), st.integers(0, 320), texts),
    st.integers(0, 20),
)
MAPS = st.builds(
    *(wire.Map, versions, st.integers(1, 20), st.integers(1, 128), st.integers(1, 128)),
    *(st.binary(max_size=200), st.tuples(numbers, numbers, numbers, numbers), texts),
)
SUCCESSES = st.builds(
    *(wire.Success, versions, texts, texts, texts, texts),
    *(st.lists(predictions, max_size=20).map(tuple), timings, st.booleans()),
    *(st.binary(max_size=50), st.binary(max_size=32), st.none() | MAPS),
)
FAILURES = st.builds(wire.Failure, versions, texts, texts, texts, timings)
EXPIRED = st.builds(wire.Expired, versions, texts, texts)
WORKERS = st.builds(
    *(wire.Worker, versions, texts, texts, texts, texts, numbers, numbers, numbers),
    *(texts, counts, st.lists(st.tuples(counts, counts), max_size=20).map(tuple)),
    *(numbers, numbers, numbers, counts),
    st.lists(st.tuples(counts, numbers), max_size=16).map(tuple),
)
REPORTS = st.builds(
    *(wire.Report, versions, texts, texts, texts, texts, texts),
    *(st.none() | numbers, texts, st.binary(max_size=32), st.binary(max_size=32)),
)
KNOWN = st.builds(
    *(wire.Known, versions),
    st.lists(st.tuples(st.integers(0, 10_000), numbers), max_size=20).map(tuple),
)
PENDING = st.builds(
    *(wire.Pending, versions, texts, st.sampled_from(LANES), st.integers(0, 2**31))
)
LABELS = st.lists(st.builds(wire.Label, texts, texts, texts)).map(tuple)

Read = Callable[[bytes], Any]
READERS: list[tuple[Read, st.SearchStrategy[Any]]] = [
    (wire.read_request, REQUESTS),
    (wire.read_ended, SUCCESSES | FAILURES | EXPIRED),
    (wire.read_worker, WORKERS),
    (wire.read_report, REPORTS),
    (wire.read_known, KNOWN),
    (wire.read_map, MAPS),
    (wire.read_pending, PENDING),
    (wire.read_labels, LABELS),
]
everyone = pytest.mark.parametrize(("read", "messages"), READERS)
MESSAGES: list[tuple[Read, Any, st.SearchStrategy[Any]]] = [
    (wire.read_request, wire.Request, REQUESTS),
    (wire.read_ended, wire.Success, SUCCESSES),
    (wire.read_ended, wire.Failure, FAILURES),
    (wire.read_ended, wire.Expired, EXPIRED),
    (wire.read_worker, wire.Worker, WORKERS),
    (wire.read_report, wire.Report, REPORTS),
    (wire.read_known, wire.Known, KNOWN),
    (wire.read_map, wire.Map, MAPS),
    (wire.read_pending, wire.Pending, PENDING),
]
one_message = pytest.mark.parametrize(("read", "kind", "messages"), MESSAGES)


@everyone
@given(data=st.data())
def test_what_is_written_is_read_again(
    read: Read, messages: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    message = data.draw(messages)
    assert read(wire.encode(message)) == message


@one_message
@given(data=st.data())
def test_a_message_of_the_version_before_is_read(
    read: Read, kind: Any, messages: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    """It ends before the fields that were added since; those have their defaults."""
    message = data.draw(messages)
    fields = msgspec.structs.fields(kind)
    added = data.draw(st.integers(0, sum(not field.required for field in fields)))
    array = msgspec.msgpack.decode(wire.encode(message))
    old = read(wire.encode(array[: len(array) - added]))
    for field in fields[: len(fields) - added]:
        assert getattr(old, field.name) == getattr(message, field.name)
    for field in fields[len(fields) - added :]:
        assert getattr(old, field.name) == field.default


@one_message
@given(data=st.data())
def test_fields_of_a_newer_version_are_passed_over(
    read: Read, kind: Any, messages: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    """Workers are upgraded first, so a gateway meets messages of the version after its own."""
    message = data.draw(messages)
    array = msgspec.msgpack.decode(wire.encode(message))
    assert type(message) is kind
    assert read(wire.encode([*array, "new", {"more": [1]}])) == message


@one_message
@given(data=st.data())
def test_a_message_without_a_required_field_is_refused(
    read: Read, kind: Any, messages: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    required = sum(field.required for field in msgspec.structs.fields(kind))
    array = msgspec.msgpack.decode(wire.encode(data.draw(messages)))
    tags = isinstance(array[0], str)
    with pytest.raises(WireError):
        read(wire.encode(array[: tags + required - 1]))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | texts | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)


@everyone
@given(data=st.binary() | values.map(wire.encode))
def test_any_bytes_are_a_message_or_a_wire_error(
    read: Read, messages: object, data: bytes
) -> None:
    try:
        read(data)
    except WireError as error:
        assert str(error)


@everyone
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x91" * 100_000,
        b"\x98" + wire.encode([1, "0-a", b"", 1, 5, 0, ""])[1:] + b"\x91" * 100_000,
        wire.encode(["of-a-newer-version", 1, "0-a", ""]),
        b"\x92\xa7expired\xa2\xff\xfe",
    ],
    ids=["empty", "deep", "deep-at-the-end", "unknown-kind", "not-utf-8"],
)
def test_hostile_bytes_are_a_wire_error(
    read: Read, messages: object, data: bytes
) -> None:
    with pytest.raises(WireError):
        read(data)


def test_every_struct_and_reader_is_tried_here() -> None:
    """One that is added to `common.wire` must be added above."""
    tried = {read for read, _ in READERS}
    assert tried == {
        getattr(wire, name) for name in dir(wire) if name.startswith("read_")
    }
    kinds = {kind for _, kind, _ in MESSAGES}
    within = {wire.Prediction, wire.Timing, wire.Label}  # of those
    assert kinds | within == {
        kind
        for kind in vars(wire).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    }


@one_message
@given(data=st.data())
def test_one_byte_of_a_message_changed_is_a_message_or_a_wire_error(
    read: Read, kind: Any, messages: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    """Near misses get further into a reader than noise does; what is read can be written again."""
    written = bytearray(wire.encode(data.draw(messages)))
    written[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(
        st.integers(1, 255)
    )
    cut = data.draw(st.integers(0, len(written)))
    for damaged in (bytes(written), bytes(written[:cut])):
        try:
            message = read(damaged)
        except WireError as error:
            assert str(error)
        else:
            assert isinstance(wire.encode(message), bytes)
