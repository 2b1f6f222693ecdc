"""The reader of PyTorch files runs no code and believes no length."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.models.torch_file import MAGIC_NUMBER, TorchFileError, read_tensors

# The names that the real files use, as a pickle writes them.
FLOAT = "ctorch\nFloatStorage\n"
REBUILD = "ctorch._utils\n_rebuild_tensor_v2\n"


def state_pickle(shape: str, strides: str, elements: int = 6, offset: int = 0) -> bytes:
    """The pickle of ``{"w": tensor}``, protocol 0, written by hand: torch is not here.

    Args:
        shape: opcodes between MARK and TUPLE, such as ``I2\\nI3\\n``.
        strides: likewise.
        elements: what the storage announces.
        offset: of the tensor in it.
    """
    storage = f"(S'storage'\n{FLOAT}S'7'\nS'cpu'\nI{elements}\nNtQ"
    hooks = "ccollections\nOrderedDict\n(tR"
    tensor = f"{REBUILD}({storage}I{offset}\n({shape}t({strides}tI00\n{hooks}tR"
    return f"ccollections\nOrderedDict\n(tR(S'w'\n{tensor}u.".encode()


def write(folder: Path, state: bytes, data: bytes | None = None) -> Path:
    """A whole file around a state dict with one storage of six elements."""
    if data is None:
        data = np.arange(6, dtype="<f4").tobytes()
    head: list[Any] = [MAGIC_NUMBER, 1001, {"little_endian": True}]
    path = folder / "weights.pth"
    path.write_bytes(
        b"".join(pickle.dumps(part, 2) for part in head)
        + state
        + pickle.dumps(["7"], 2)
        + (6).to_bytes(8, "little")
        + data
    )
    return path


def test_a_tensor_is_read_through_its_strides(tmp_path: Path) -> None:
    """Weights ported from TensorFlow lie transposed in memory."""
    plain = read_tensors(write(tmp_path, state_pickle("I2\nI3\n", "I3\nI1\n")))
    assert plain["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    turned = read_tensors(write(tmp_path, state_pickle("I3\nI2\n", "I1\nI3\n")))
    assert turned["w"].tolist() == [[0, 3], [1, 4], [2, 5]]


class Malicious:
    """Unpickling it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.command = f"touch {path}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("place", range(5))
def test_code_in_any_of_the_pickles_is_refused_and_not_run(
    tmp_path: Path, place: int
) -> None:
    """There are five pickles in a file; each could hold it."""
    mark = tmp_path / "mark"
    state = state_pickle("I2\nI3\n", "I3\nI1\n")
    parts = [
        pickle.dumps(MAGIC_NUMBER, 2),
        pickle.dumps(1001, 2),
        pickle.dumps({"little_endian": True}, 2),
        state,
        pickle.dumps(["7"], 2),
    ]
    parts[place] = pickle.dumps(Malicious(mark), 2)
    path = tmp_path / "weights.pth"
    path.write_bytes(b"".join(parts))
    with pytest.raises(TorchFileError, match="system, which is not allowed"):
        read_tensors(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "name", ["cbuiltins\neval\n", "ctorch\nload\n", "ccollections\nCounter\n"]
)
def test_only_four_names_are_known(tmp_path: Path, name: str) -> None:
    """Also harmless ones and others of the same modules are refused."""
    with pytest.raises(TorchFileError, match="not allowed"):
        read_tensors(write(tmp_path, f"{name}.".encode()))


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (state_pickle("I2\nI3\n", "I3\nI1\n", offset=1), "beyond its storage"),
        (state_pickle("I2\nI3\n", "I4\nI1\n"), "beyond its storage"),
        (state_pickle("I2\nI3\n", "I-3\nI1\n"), "beyond its storage"),
        (state_pickle("I2\nI3\n", "I3\nI1\n", elements=600), "another length"),
        (b"(S'module'\nI1\ntQ.", "no tensor storage"),
        (b"I1\n.", "old format"),
    ],
)
def test_a_tensor_reaches_nothing_but_its_storage(
    tmp_path: Path, state: bytes, says: str
) -> None:
    """Offsets, strides and lengths come from the file, so they are checked."""
    with pytest.raises(TorchFileError, match=says):
        read_tensors(write(tmp_path, state))


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    """Within the data, and within the pickles."""
    path = write(tmp_path, state_pickle("I2\nI3\n", "I3\nI1\n"), data=b"\0" * 23)
    with pytest.raises(TorchFileError, match="cut off"):
        read_tensors(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(TorchFileError, match="old format"):
        read_tensors(path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    """The zip that newer versions write, and an empty file."""
    path = tmp_path / "weights.pth"
    for content in (b"PK\x03\x04" + b"\0" * 100, b"", pickle.dumps(1, 2)):
        path.write_bytes(content)
        with pytest.raises(TorchFileError, match="old format"):
            read_tensors(path)
