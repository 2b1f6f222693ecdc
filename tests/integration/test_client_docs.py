"""The programs in docs/client.md run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.load import small
from tests.support.system import ROOT, System

pytestmark = pytest.mark.one_engine

PROGRAMS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs/client.md").read_text(), re.S | re.M
)
SAID = ("espresso", "espresso", "espresso", "espresso", "400 not-an-image")


@pytest.mark.parametrize(("program", "said"), list(zip(PROGRAMS, SAID, strict=True)))
def test_they_run(system: System, tmp_path: Path, program: str, said: str) -> None:
    (tmp_path / "dog.jpeg").write_bytes(small("coffee.png"))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cup.jpg").write_bytes(small("coffee.png"))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program.replace("127.0.0.1:8000", f"127.0.0.1:{system.port}"),
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said in done.stdout
