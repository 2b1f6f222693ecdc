"""Triton's answers are read as it sends them, and damaged ones are none."""

import json
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.peers.catalogue import PEERS

PEER = PEERS["triton"]
LABEL = "gyromitre à points"


def binary(label: str = LABEL, score: float = 0.5, **changes: Any) -> bytes:
    """An answer as Triton gives it to a raw body: tensors after the object."""
    text = label.encode()
    tensors = struct.pack("<I", len(text)) + text + struct.pack("<f", score)
    return head(len(text) + 4, 4, **changes) + tensors


def head(*sizes: Any, **changes: Any) -> bytes:
    """The object before the tensors."""
    named = (("prediction", "BYTES"), ("score", "FP32"))
    announced = [
        {
            "name": name,
            "datatype": datatype,
            "shape": [1, 1],
            "parameters": {"binary_data_size": size},
        }
        for (name, datatype), size in zip(named, sizes, strict=True)
    ]
    whole = {"model_name": "pictures", "model_version": "1", "outputs": announced}
    return json.dumps(whole | changes).encode()


def test_tensors_after_the_object_are_read() -> None:
    said = PEER.answer(binary())
    assert (said.prediction, said.score) == (LABEL, 0.5)


def test_tensors_in_the_object_are_read() -> None:
    inline = [
        {"name": "score", "datatype": "FP32", "data": [0.25, 1.0]},
        {"name": "prediction", "datatype": "BYTES", "data": ["tench", "eel"]},
    ]
    said = PEER.answer(json.dumps({"model_name": "m", "outputs": inline}).encode())
    assert (said.prediction, said.score) == ("tench", 0.25)


@given(st.text(max_size=50), st.floats(0, 1, width=32))
def test_every_label_and_score_comes_back(label: str, score: float) -> None:
    said = PEER.answer(binary(label, score))
    assert (said.prediction, said.score) == (label, score)


@given(st.integers(0, len(binary()) - 1))
def test_a_body_that_was_cut_off_is_no_answer(length: int) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        PEER.answer(binary()[:length])


def test_a_text_shorter_than_it_says_is_no_answer() -> None:
    text = struct.pack("<I", 9) + b"tench"
    body = head(len(text), 4) + text + struct.pack("<f", 0.5)
    with pytest.raises(msgspec.ValidationError, match="9 bytes announced, 5 sent"):
        PEER.answer(body)


@given(st.data())
def test_a_damaged_body_is_an_answer_or_none_and_nothing_else(
    data: st.DataObject,
) -> None:
    body = bytearray(binary())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    _answer_or_none(bytes(body))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["name", "datatype", "parameters", "data", "outputs"]), inner
    ),
)


@given(_JSON)
def test_outputs_of_any_other_shape_are_no_answer(value: Any) -> None:
    _answer_or_none(binary(outputs=value))
    _answer_or_none(binary(outputs=[value]))


@given(_JSON, _JSON)
def test_sizes_of_any_other_kind_are_no_answer(first: Any, second: Any) -> None:
    _answer_or_none(head(first, second) + b"\x01\x00\x00\x00x\x00\x00\x00\x00")


def test_an_object_that_never_ends_is_no_answer() -> None:
    with pytest.raises(msgspec.ValidationError):
        PEER.answer(b'{"model_name":' + b"[" * 100_000)


def _answer_or_none(body: bytes) -> None:
    try:
        said = PEER.answer(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return  # what a client takes for a wrong answer
    assert isinstance(said.prediction, str)
    assert isinstance(said.score, float)
