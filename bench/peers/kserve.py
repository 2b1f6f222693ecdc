"""Reads answers of the KServe inference protocol, version 2, with its binary tensor data extension.

A JSON object, and after it the tensors that it announces, in its order: BYTES as a length of four bytes and
as many bytes, FP32 as four bytes, all little-endian.
"""

import json
import struct
from typing import Any, Final

import msgspec

_LENGTH: Final = struct.Struct("<I")
_FP32: Final = struct.Struct("<f")


class _Parameters(msgspec.Struct):
    binary_data_size: int | None = None


class _Output(msgspec.Struct):
    name: str
    datatype: str
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)
    data: tuple[str | float, ...] = ()


class _Header(msgspec.Struct):
    outputs: tuple[_Output, ...]


def is_answer(body: bytes) -> bool:
    """Whether it looks like one."""
    return body.startswith(b"{") and b'"model_name"' in body


def outputs(body: bytes) -> dict[str, Any]:
    """The first element of each output by its name: text, or a number.

    Raises:
        msgspec.ValidationError: it is no such answer, or has other types.
    """
    try:
        # One byte a character, so that the place where the object ends is one in the body too.
        header, at = json.JSONDecoder().raw_decode(body.decode("latin-1"))
        return _elements(msgspec.convert(header, _Header), body[at:])
    except (ValueError, IndexError, RecursionError, struct.error) as error:
        raise msgspec.ValidationError(f"no answer of the protocol: {error}") from None


def _elements(header: _Header, tensors: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = 0
    for one in header.outputs:
        size = one.parameters.binary_data_size
        if size is None:
            found[one.name] = one.data[0]
            continue
        found[one.name] = _element(one.datatype, tensors[at : at + size])
        at += size
    return found


def _element(datatype: str, data: bytes) -> str | float:
    if datatype == "BYTES":
        (length,) = _LENGTH.unpack_from(data)
        text = data[_LENGTH.size :][:length]
        if len(text) < length:
            raise ValueError(f"{length} bytes announced, {len(text)} sent")
        return text.decode()
    if datatype == "FP32":
        number: float = _FP32.unpack_from(data)[0]
        return number
    raise ValueError(f"{datatype}: expected BYTES or FP32")
