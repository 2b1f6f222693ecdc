"""``pictor classify --sort-into`` and ``--redo``, with a real Pictor."""

import json
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.collection import check_whole, command, fill, finished, rows
from tests.support.sorted_files import files_in, tree
from tests.support.system import System, free_port, with_model

pytestmark = pytest.mark.one_engine


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> Iterator[System]:
    data_dir = with_model(tmp_path_factory.mktemp("server"), prepared / "models")
    with System(data_dir, engine="litert", workers=1) as running:
        yield running


def pictor(data_dir: Path, *words: object) -> tuple[int, str, str]:
    return finished(command(*words, data_dir=data_dir))


@pytest.mark.parametrize("way", ["--local", "--server"])
def test_it_classifies_and_sorts_and_all_is_taken_back(
    tmp_path: Path, server: System, way: str
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 6)
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    before = tree(folder)
    who = [way] if way == "--local" else [way, server.url]
    line = ("classify", folder, "--out", out, *who, "--threshold", 0)
    sort = ("--sort-into", folder / "sorted", "--by", "move")
    code, told, err = pictor(server.data_dir, *line, *sort)
    assert code == 1, err  # one has failed
    assert "6 files would be put into" in told
    assert tree(folder) == before
    code, _, err = pictor(server.data_dir, *line, *sort, "--apply")
    assert code == 1, err
    by_label = {row["label_1"].replace("/", "_") for row in rows(out)[:-1]}
    put = [Path(path) for path in files_in(folder / "sorted")]
    assert {path.parent.name for path in put} == by_label
    assert len(put) == 6
    code, _, err = pictor(server.data_dir, "undo", out)
    assert (code, tree(folder)) == (0, before), err


def test_where_it_cannot_go_on_nothing_is_sorted_and_a_line_says_what_does_it(
    tmp_path: Path, server: System
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 2)
    away = f"http://127.0.0.1:{free_port()}"
    sort = ("--sort-into", tmp_path / "a b", "--by", "copy", "--apply")
    line = ("classify", folder, "--out", out, *sort, "--server")
    code, told, err = pictor(server.data_dir, *line, away, "--patience", 1, "--json")
    assert code == 3
    assert json.loads(told)["sorted"] is None
    assert not (tmp_path / "a b").exists()
    code, told, _ = pictor(server.data_dir, "status", out, "--json")
    assert (code, json.loads(told)["complete"]) == (1, False)
    (said,) = (one for one in err.splitlines() if one.startswith("Nothing was sorted."))
    code, _, err = pictor(
        server.data_dir, "classify", folder, "--out", out, "--server", server.url
    )
    assert code == 0, err
    _, *later = shlex.split(said.partition("sorted by: ")[2])
    code, _, err = pictor(server.data_dir, *later)
    assert code == 0, err
    assert len(files_in(tmp_path / "a b")) == 2
    code, told, _ = pictor(server.data_dir, "status", out, "--json")
    assert (code, json.loads(told)["complete"]) == (0, True)


@pytest.mark.parametrize("way", ["--local", "--server"])
def test_what_another_model_has_answered_stays_so_until_it_is_told_otherwise(
    tmp_path: Path, server: System, way: str
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.jsonl"
    fill(folder, 6)
    (folder / "again.jpg").write_bytes((folder / "000-coffee.jpg").read_bytes())
    who = [way] if way == "--local" else [way, server.url]
    line = ("classify", folder, "--out", out, *who)
    code, told, err = pictor(server.data_dir, *line, "--json")
    assert (code, json.loads(told)["other_models"]) == (0, 0), err
    with sqlite3.connect(tmp_path / "out.jsonl.ledger") as db:
        db.execute(  # as if the model had been changed since
            "UPDATE contents SET model = 'older', model_digest = 'o', label = 'x' WHERE id IN"
            " (SELECT content FROM files WHERE CAST(path AS TEXT) GLOB '*/00[01]-*')"
        )
    db.close()
    code, _, err = pictor(server.data_dir, *line)
    assert code == 0
    assert "3 of the done ones were answered by another model (older)" in err
    code, told, err = pictor(server.data_dir, *line, "--json")
    assert json.loads(told)["other_models"] == 3
    code, told, err = pictor(server.data_dir, *line, "--redo", "--json")
    assert code == 0, err
    summary = json.loads(told)
    assert (summary["found_done"], summary["classified"]) == (4, 2)
    assert (summary["done"], summary["other_models"]) == (7, 0)
    (folder / "again.jpg").unlink()
    assert len({row["model_digest"] for row in rows(out)}) == 1
    code, _, err = pictor(server.data_dir, *line, "--redo")
    assert "0 files of other models are done again" in err
    out.write_text(
        "\n".join(one for one in out.read_text().splitlines() if "again" not in one)
    )
    check_whole(out, folder)
