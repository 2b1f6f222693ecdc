"""What `bench.killed` says of an output: nothing where all is well, and what is wrong otherwise."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import killed, pictures
from client.answers import Prediction
from client.collection import output
from client.collection.ledger import Ledger
from client.collection.records import Content, Found
from client.command.terms import ledger_of

Rows = list[dict[str, Any]]
FILES = 100


@pytest.fixture
def ended(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """An output in which every file has ended as it should, and what each file is."""
    originals = [one.data for one in pictures.samples()[:3]]
    folder, out = tmp_path / "in", tmp_path / "answers.jsonl"
    folder.mkdir()
    kinds = killed.fill(folder, originals, FILES)
    with Ledger(ledger_of(out)) as ledger:
        ledger.found(Found(name.encode(), 1, 1) for name in kinds)
        for row in ledger.left(0, FILES):
            data = Path(row.shown).read_bytes()
            if kinds[row.shown] == "broken":
                ledger.failed(row.number, "broken-image", "It is damaged.")
            else:
                ledger.done(row.number, _content(data))
        output.write(out, ledger.rows(), 1)
    return out, kinds


def _content(data: bytes) -> Content:

    digest = hashlib.sha256(data).digest()
    answer = (Prediction("n1", "cup", "cup", 0.5),)
    return Content(digest, len(data), answer, "network", "d", 1.0)


def test_nothing_is_wrong_where_each_file_is_there_once(
    ended: tuple[Path, dict[str, str]],
) -> None:
    out, kinds = ended
    assert killed.check(out, kinds) == []
    assert list(kinds.values()).count("broken") == 1
    assert list(kinds.values()).count("copy") == 4
    assert killed.ended(out) == FILES


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows[:-1], "99 rows, 99 different"),
        (lambda rows: [*rows, rows[0]], "101 rows, 100 different"),
        (
            lambda rows: [rows[0] | {"status": "failed"}, *rows[1:]],
            "is picture, the row says failed",
        ),
        (
            lambda rows: [rows[0] | {"status": "left"}, *rows[1:]],
            "the ledger counts",
        ),
        (
            lambda rows: [one | {"duplicate_of": None} for one in rows],
            "4 copies, 0 rows say so",
        ),
    ],
)
def test_what_is_wrong_is_told(
    ended: tuple[Path, dict[str, str]],
    change: Callable[[Rows], Rows],
    says: str,
) -> None:
    out, kinds = ended
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    out.write_text("\n".join(json.dumps(row) for row in change(rows)))
    assert any(says in one for one in killed.check(out, kinds))
