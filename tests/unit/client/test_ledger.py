import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from client.answers import Prediction
from client.collection.ledger import Ledger, LedgerError
from client.collection.records import Content, Found


def content(name: str, model: str = "m") -> Content:
    prediction = Prediction("n1", f"label_{name}", name, 0.5)
    return Content(name.encode(), 7, (prediction,), model, f"{model}-digest", 1.5, 42)


def file(name: str, size: int = 7, mtime_ns: int = 1, refused: str = "") -> Found:
    return Found(f"/photos/{name}".encode(), size, mtime_ns, refused)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "out.ledger") as made:
        yield made


def test_files_are_left_until_they_end(ledger: Ledger) -> None:
    assert ledger.found([file("a"), file("b")]) == (2, 0)
    first, second = ledger.left(0, 10)
    ledger.done(first.number, content("a"))
    ledger.failed(second.number, "broken-image", "It is damaged.")
    assert ledger.counts() == {"left": 0, "done": 1, "failed": 1}
    a, b = ledger.rows()
    assert (a.status, a.content, a.duplicate_of) == ("done", content("a"), None)
    assert (b.status, b.code, b.reason) == ("failed", "broken-image", "It is damaged.")
    assert ledger.found([file("a"), file("b")]) == (0, 1)
    assert ledger.retry_failed() == 1
    assert [row.path for row in ledger.left(0, 10)] == [b"/photos/b"]


def test_files_with_the_same_bytes_are_duplicates_of_the_first(ledger: Ledger) -> None:
    ledger.found([file("a"), file("b"), file("c")])
    a, b, c = ledger.left(0, 10)
    place = ledger.done(a.number, content("x"))
    assert ledger.known(b"x", "m-digest") == place
    assert ledger.known(b"x", "other") is None
    assert ledger.known(b"y", "") is None
    ledger.done(b.number, place)
    ledger.done(c.number, content("x"))
    assert [row.duplicate_of for row in ledger.rows()] == [None, a.path, a.path]
    assert ledger.duplicates() == 2


def test_a_changed_file_is_done_again_and_its_duplicates_keep_their_answer(
    ledger: Ledger,
) -> None:
    ledger.found([file("a"), file("b"), file("c")])
    a, b, c = ledger.left(0, 10)
    place = ledger.done(a.number, content("x"))
    ledger.done(b.number, place)
    ledger.done(c.number, place)
    assert ledger.found([file("a", mtime_ns=2), file("b"), file("c")]) == (1, 2)
    rows = list(ledger.rows())
    assert [row.status for row in rows] == ["left", "done", "done"]
    assert [row.duplicate_of for row in rows] == [None, None, b.path]
    assert rows[1].content == content("x")


def test_a_refused_entry_is_failed_at_once_and_not_retried(ledger: Ledger) -> None:
    assert ledger.found([file("a", refused="It points outside.")]) == (0, 0)
    assert ledger.counts()["failed"] == 1
    assert ledger.retry_failed() == 0
    (row,) = ledger.rows("failed")
    assert row.reason == "It points outside."


def test_what_was_not_committed_is_not_kept_what_was_is(tmp_path: Path) -> None:
    path = tmp_path / "out.ledger"
    with Ledger(path) as ledger:
        with ledger.together():
            ledger.found([file("a")])
        with pytest.raises(RuntimeError), ledger.together():
            ledger.found([file("b")])
            raise RuntimeError
    with Ledger(path) as ledger:
        assert [row.path for row in ledger.rows()] == [b"/photos/a"]


def test_names_that_are_no_text_are_kept_as_they_are(ledger: Ledger) -> None:
    name = b"/photos/\xff\xfe.jpg"
    ledger.found([Found(name, 1, 1)])
    (row,) = ledger.rows()
    assert row.path == name
    assert row.shown == "/photos/\\udcff\\udcfe.jpg"


def test_many_rows_are_read_in_order_while_others_are_written(ledger: Ledger) -> None:
    with ledger.together():
        ledger.found(file(f"{number:05}") for number in range(1_234))
    seen = []
    for row in ledger.rows("left"):
        seen.append(row.number)
        ledger.failed(row.number, "x", "")
    assert seen == sorted(seen)
    assert len(seen) == 1_234


def test_a_ledger_of_another_version_or_none_at_all_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.ledger"
    with pytest.raises(LedgerError, match="no run has been begun"):
        Ledger(path, new=False)
    path.write_text("not a database, but long enough to be taken for one" * 9)
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger(path)
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=99")
    with pytest.raises(LedgerError, match="version 99"):
        Ledger(path)


def test_notes_are_remembered(ledger: Ledger) -> None:
    assert ledger.noted("skipped", int) is None
    ledger.note("skipped", 3)
    ledger.note("skipped", 4)
    assert ledger.noted("skipped", int) == 4


NAMES = st.sampled_from("abcd")
BYTES = st.sampled_from("xyz")


class Collection(RuleBasedStateMachine):
    """A ledger beside a plain account of what should be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(Path(":memory:"))
        self.files: dict[str, int] = {}  # mtime by name
        self.ended: dict[str, str] = {}  # bytes, or "failed", by name

    @rule(name=NAMES, mtime=st.integers(1, 3))
    def find(self, name: str, mtime: int) -> None:
        self.ledger.found([file(name, mtime_ns=mtime)])
        if self.files.get(name) != mtime:
            self.ended.pop(name, None)
        self.files[name] = mtime

    @rule(data=st.data(), held=BYTES, known=st.booleans())
    def end(self, data: st.DataObject, held: str, known: bool) -> None:
        rows = self.ledger.left(0, 10)
        if not rows:
            return
        row = data.draw(st.sampled_from(rows))
        place = self.ledger.known(held.encode(), "m-digest") if known else None
        self.ledger.done(row.number, content(held) if place is None else place)
        self.ended[row.path.decode()[-1]] = held

    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        rows = self.ledger.left(0, 10)
        if rows:
            row = data.draw(st.sampled_from(rows))
            self.ledger.failed(row.number, "broken-image", "")
            self.ended[row.path.decode()[-1]] = "failed"

    @rule()
    def retry(self) -> None:
        self.ledger.retry_failed()
        self.ended = {k: v for k, v in self.ended.items() if v != "failed"}

    @invariant()
    def each_file_is_there_once_with_its_own_end(self) -> None:
        rows = {row.path.decode()[-1]: row for row in self.ledger.rows()}
        assert set(rows) == set(self.files)
        for name, row in rows.items():
            end = self.ended.get(name)
            assert row.status == (
                "left" if end is None else "failed" if end == "failed" else "done"
            )
            assert (row.content is not None) == (row.status == "done")
            if row.content is not None:
                assert row.content.digest.decode() == end

    @invariant()
    def of_equal_files_exactly_one_is_the_first(self) -> None:
        done = [row for row in self.ledger.rows("done") if row.content is not None]
        firsts = [row for row in done if row.duplicate_of is None]
        held = {row.content.digest for row in done if row.content}
        assert sorted(row.content.digest for row in firsts if row.content) == sorted(
            held
        )
        paths = {row.path for row in firsts}
        assert all(row.duplicate_of in paths for row in done if row.duplicate_of)
        assert self.ledger.duplicates() == len(done) - len(firsts)

    def teardown(self) -> None:
        self.ledger.__exit__(None, None, None)


TestCollection = Collection.TestCase
TestCollection.settings = settings(max_examples=60, stateful_step_count=25)


def test_a_name_that_led_nowhere_is_forgotten_with_a_retry(ledger: Ledger) -> None:
    ledger.found([file("typo", size=0, mtime_ns=0, refused="There is no such file.")])
    ledger.found([file("a"), file("b", refused="It is a link.")])
    assert ledger.retry_failed() == 0
    assert [row.shown for row in ledger.rows()] == ["/photos/a", "/photos/b"]


def test_what_is_refused_no_longer_is_left_to_do(ledger: Ledger) -> None:
    ledger.found([file("a", refused="It is a BMP picture.")])
    assert ledger.found([file("a")]) == (1, 0)
    assert ledger.found([file("a", refused="It is a link.")]) == (0, 0)
    assert ledger.counts() == {"left": 0, "done": 0, "failed": 1}
