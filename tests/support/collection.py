"""``pictor classify`` in a process of its own, and what it leaves behind."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from client.collection.ledger import Ledger, LedgerError
from tests.support.load import EXPECTED, small
from tests.support.pictures import distinct
from tests.support.system import ROOT, environment

NAMES: Final = tuple(EXPECTED)
PATIENCE_S: Final = 60


def fill(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        name = NAMES[number % len(NAMES)]
        path = folder / f"{number:03}-{name.partition('.')[0]}.jpg"
        path.write_bytes(distinct(small(name)))


def command(
    *words: object, data_dir: Path, **settings: object
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "client.command.main", *map(str, words)],
        cwd=ROOT,
        env=environment(data_dir=data_dir, engine="litert", **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def done(out: Path) -> int:
    """How many files the ledger of a running command has as done."""
    try:
        with Ledger(out.with_name(out.name + ".ledger"), new=False) as ledger:
            return ledger.counts()["done"]
    except LedgerError:  # not begun
        return 0


def beyond(out: Path, before: int) -> bool:
    return done(out) > before


def reached(process: subprocess.Popen[str], met: Callable[[], bool]) -> bool:
    """Waits until something is so, or the process has ended before that."""
    give_up_at = time.monotonic() + PATIENCE_S
    while process.poll() is None:
        if met():
            return True
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    return False


def check_whole(out: Path, folder: Path) -> None:
    """Each file once, with its own answer."""
    found = rows(out)
    assert Counter(row["path"] for row in found) == Counter(
        str(path) for path in folder.iterdir()
    )
    for row in found:
        name = Path(row["path"]).stem.partition("-")[2]
        (expected,) = (v for k, v in EXPECTED.items() if k.startswith(f"{name}."))
        assert row["label_1"] in expected
