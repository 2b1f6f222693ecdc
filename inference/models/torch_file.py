"""Reads tensors out of a PyTorch file of the old format, without PyTorch and without running it.

The format (``torch.save`` before 1.6) is four pickles and then the data::

    magic number | protocol version | system info | the state dict | storage keys
    for each key, in order: int64 element count, then the raw little-endian elements

A pickle may name any callable. The unpickler here knows four names, all of them placeholders or
plain containers, and refuses every other one.
"""

import collections
import pickle
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

MAGIC_NUMBER: Final = 0x1950A86A20F9469CFC6C  # torch/serialization.py
PROTOCOL_VERSION: Final = 1001  # likewise

Tensor = NDArray[np.float32] | NDArray[np.int64]


class TorchFileError(ValueError):
    """The file is not what ``torch.save`` wrote, or it names what it must not."""


class _Storage(NamedTuple):
    """A tensor's memory, which follows after the pickles."""

    key: str
    dtype: np.dtype[Any]
    elements: int


class _TensorStub(NamedTuple):
    """A tensor before its storage has been read. Offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _stub(
    storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any
) -> _TensorStub:
    return _TensorStub(storage, offset, tuple(shape), tuple(strides))


# What the pickle may name. A storage type stands for its element type; nothing of torch is needed.
_ALLOWED: Final[dict[tuple[str, str], Any]] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _stub,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise TorchFileError(
                f"the file names {module}.{name}, which is not allowed"
            ) from None

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", np.dtype() as dtype, str(key), _, int(elements), None):
                return _Storage(key, dtype, elements)
        raise TorchFileError("the file refers to something that is no tensor storage")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Reads a state dict.

    Args:
        path: a file of the old format. Check its hash first: this guards against code in it, not
            against a file made to fill the memory.

    Returns:
        Name to tensor, float32 or int64 (counters), in the shapes PyTorch uses.

    Raises:
        TorchFileError: it is of another format, or names anything that is not allowed.
    """
    with path.open("rb") as file:
        try:
            if _load(file) != MAGIC_NUMBER or _load(file) != PROTOCOL_VERSION:
                raise TorchFileError("not a PyTorch file of the old format")
            if not _load(file).get("little_endian"):
                raise TorchFileError("the file was written on a big-endian machine")
            stubs = _load(file)
            storages = _read_storages(file, _load(file), stubs)
        except (pickle.UnpicklingError, EOFError, AttributeError, TypeError) as error:
            raise TorchFileError(
                f"not a PyTorch file of the old format: {error}"
            ) from error
    return {name: _tensor(name, stub, storages) for name, stub in stubs.items()}


def _load(file: BinaryIO) -> Any:
    return _RestrictedUnpickler(file).load()


def _read_storages(
    file: BinaryIO, keys: list[str], stubs: dict[str, _TensorStub]
) -> dict[str, Tensor]:
    """The data behind the pickles, by key. ``stubs`` say of which type each storage is."""
    known = {stub.storage.key: stub.storage for stub in stubs.values()}
    if sorted(keys) != sorted(known):
        raise TorchFileError("the list of storages does not fit the tensors")
    data = {}
    for key in keys:
        storage = known[key]
        if int.from_bytes(file.read(8), "little") != storage.elements:
            raise TorchFileError(f"storage {key} has another length than announced")
        raw = file.read(storage.elements * storage.dtype.itemsize)
        if len(raw) != storage.elements * storage.dtype.itemsize:
            raise TorchFileError("the file is cut off")
        data[key] = np.frombuffer(raw, storage.dtype)
    return data


def _tensor(name: str, stub: _TensorStub, storages: dict[str, Tensor]) -> Tensor:
    """A tensor as a view of its storage.

    The strides matter: these weights were ported from TensorFlow and lie transposed in memory.
    """
    steps = list(zip(stub.shape, stub.strides, strict=True))
    last = stub.offset + sum((size - 1) * stride for size, stride in steps)
    if (
        min(stub.offset, *stub.strides, *stub.shape, 0) < 0
        or last >= stub.storage.elements
    ):
        raise TorchFileError(f"tensor {name} reaches beyond its storage")
    start = storages[stub.storage.key][stub.offset :]
    strides = [stride * start.itemsize for stride in stub.strides]
    view = np.lib.stride_tricks.as_strided(start, stub.shape, strides, writeable=False)
    return cast(Tensor, view)
