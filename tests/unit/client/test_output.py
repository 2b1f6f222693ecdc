import csv
import json
from pathlib import Path
from typing import Any

import pytest

from client.answers import Prediction
from client.collection import output
from client.collection.output import OutputError, columns, write
from client.collection.records import Content, Row

PREDICTIONS = (
    Prediction("n1", "Eskimo_dog", "Eskimo dog, husky", 0.6402),
    Prediction("n2", "malamute", "malamute", 0.1),
)
CONTENT = Content(b"\x01" * 32, 5, PREDICTIONS, "lite0", "d1", 12.5)
ROWS = [
    Row(1, b"/p/a.jpg", "done", 5, 1, content=CONTENT),
    Row(2, b"/p/\xff.jpg", "done", 5, 1, content=CONTENT, duplicate_of=b"/p/a.jpg"),
    Row(3, b"/p/c.jpg", "failed", 9, 1, "broken-image", "=It is damaged."),
    Row(4, b"/p/z.zip\0in/d.jpg", "left", 7, 1),
]


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [
                {name: value or None for name, value in row.items()}
                for row in csv.DictReader(file)
            ]
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", output.WRITERS)
def test_there_is_a_row_for_every_file_whatever_the_kind(
    tmp_path: Path, kind: str
) -> None:
    out = tmp_path / f"answers{kind}"
    assert write(out, iter(ROWS), 2) == 4
    first, second, third, fourth = read(out)
    assert list(first) == columns(2)
    assert (first["path"], first["status"]) == ("/p/a.jpg", "done")
    assert (first["label_1"], first["wnid_1"]) == ("Eskimo_dog", "n1")
    assert float(first["score_2"]) == 0.1
    assert (int(first["bytes"]), first["digest"]) == (5, "01" * 32)
    assert first["duplicate_of"] is None
    assert (second["path"], second["duplicate_of"]) == ("/p/\\udcff.jpg", "/p/a.jpg")
    assert third["status"] == "failed"
    assert third["reason"].strip("'") == "=It is damaged."
    assert third["label_1"] is None
    assert (fourth["path"], fourth["status"]) == ("/p/z.zip::in/d.jpg", "left")
    assert list(tmp_path.iterdir()) == [out]


def test_a_spreadsheet_finds_no_formula(tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    write(out, iter(ROWS), 1)
    assert read(out)[2]["reason"] == "'=It is damaged."


def test_fewer_columns_than_predictions_and_more(tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    write(out, iter(ROWS), 1)
    assert "label_2" not in read(out)[0]
    write(out, iter(ROWS), 5)
    assert read(out)[0]["label_5"] is None


def test_columns_beside_are_written_too(tmp_path: Path) -> None:
    out = tmp_path / "answers.parquet"
    write(out, iter(ROWS), 1, (("category",), lambda row: {"category": row.status}))
    assert [row["category"] for row in read(out)] == ["done", "done", "failed", "left"]


def test_many_rows_are_all_there(tmp_path: Path) -> None:
    out = tmp_path / "answers.parquet"
    rows = (Row(n, b"/p/%d.jpg" % n, "left", n, 1) for n in range(12_345))
    assert write(out, rows, 1) == 12_345
    assert [row["bytes"] for row in read(out)] == list(range(12_345))


def test_what_was_there_stays_where_writing_fails(tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    out.write_text("before")

    def broken() -> Any:
        yield ROWS[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        write(out, broken(), 1)
    assert out.read_text() == "before"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("name", "why"),
    [("answers.xlsx", "ends in none of .parquet"), ("no/answers.csv", "make it first")],
)
def test_what_cannot_be_written_is_said_before_the_work(
    tmp_path: Path, name: str, why: str
) -> None:
    with pytest.raises(OutputError, match=why):
        output.check(tmp_path / name)
