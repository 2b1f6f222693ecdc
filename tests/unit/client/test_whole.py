"""What is written beside a file: there as a whole, and nothing left of those that were killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from client.collection import whole
from tests.support.system import ROOT

WRITING = """
import sys
from pathlib import Path
from client.collection import whole
with whole.beside(Path(sys.argv[1])) as part:
    part.write_text("half")
    print(part, flush=True)
    sys.stdin.read()
    part.write_text("whole")
"""


def writing(path: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process in the midst of it, and what it writes to."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITING, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def write(path: Path) -> None:
    with whole.beside(path) as part:
        part.write_text("new")


def test_what_a_killed_process_has_left_is_removed_by_the_next(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    process, part = writing(out)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [f".a.csv.{process.pid}.part"]
    write(tmp_path / "b.csv")  # of another output
    assert part.exists()
    write(out)
    assert not part.exists()
    assert out.read_text() == "new"


def test_what_another_is_writing_is_not_touched(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    process, part = writing(out)
    write(out)
    assert part.read_text() == "half"
    process.communicate("")
    assert process.returncode == 0
    assert out.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [out]


def test_a_lock_tells_of_a_process_that_is_not_to_be_seen_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from within another container, with the same folder."""
    monkeypatch.setattr(whole, "_lives", lambda process: False)
    out = tmp_path / "a.csv"
    process, part = writing(out)
    write(out)
    assert part.read_text() == "half"
    process.kill()
    process.communicate()
    write(out)
    assert not part.exists()


def test_nothing_else_is_removed_whatever_it_is_called(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [
        *(f".a.csv.{gone.pid}.part.txt", f"a.csv.{gone.pid}.part", ".a.csv..part"),
        *(f".aacsv.{gone.pid}.part", f".a.csv.x{gone.pid}.part", ".a.csv.0.part"),
        *(f".a.csv.b.{gone.pid}.part", f".a.csv.{os.getppid()}.part"),
        f".a.csv.0{gone.pid}.part",
    ]
    for name in names:
        (tmp_path / name).write_text("somebody's")
    target = tmp_path / "kept"
    target.write_text("kept")
    folder = tmp_path / f".a.csv.{gone.pid}.part"
    folder.mkdir()
    write(tmp_path / "a.csv")
    folder.rmdir()
    folder.symlink_to(target)
    write(tmp_path / "a.csv")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*names, "kept", folder.name, "a.csv"}
    assert target.read_text() == "kept"
