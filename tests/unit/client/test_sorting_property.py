import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from client.collection.places import Way
from client.collection.sorter import Wish
from client.collection.sorting import sort_done
from client.collection.undoing import undo
from tests.support.sorted_files import (
    LABELS,
    given_to,
    in_place,
    places_of,
    tree,
)

PLAIN = (b"a.jpg", b"A.jpg", b"a (2).jpg", b"b.jpg", b"noending", b".hidden.jpg")
ODD = (b"\xff\xfe.jpg", b"x" * 251 + b".jpg", "é.png".encode(), b"-rf.jpg", b"\n.jpg")
NAMES = st.sampled_from(PLAIN + ODD)
BYTES = st.sampled_from(sorted(LABELS))
COLLECTION = st.dictionaries(
    st.tuples(st.sampled_from([b"p", b"p/q", b"p/r", b"p/tabby"]), NAMES),
    st.tuples(BYTES, st.booleans()),
    max_size=14,
)
FILES = (b"tabby/a.jpg", b"tabby/A.jpg", b"tabby/b (2).jpg", b"_review/b.jpg")
IN_THE_WAY = (b"_", b"_review", b"Egyptian_cat", b"TABBY/c.jpg", b"x/a.jpg", b"tabby")
THERE = st.dictionaries(
    st.sampled_from(FILES + IN_THE_WAY), st.sampled_from([b"there", b"one"]), max_size=5
)
WAYS = st.sampled_from(list(Way))


@settings(max_examples=200)
@given(COLLECTION, THERE, WAYS, st.sampled_from(["s", "c/p", "c", "new/er"]))
def test_nothing_is_lost_or_overwritten_and_undo_restores_the_tree(
    collection: dict, there: dict, way: Way, where: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, into = Path(folder, "t"), Path(folder, "t", where)
        (root / "c").mkdir(parents=True)
        ledger = given_to(root / "c", Path(folder), collection, there, into)
        before = tree(root)
        wish = Wish(into, way)

        told = sort_done(ledger, wish, apply=False)
        assert tree(root) == before

        done = sort_done(ledger, wish, apply=True)
        assert done.examples == told.examples
        assert done.placed + done.in_place == len(collection)
        assert not done.skipped
        after = tree(root)
        in_place(ledger, into)
        sources = {place[0] for place in done.examples} if way == Way.MOVE else set()
        for path, what in before.items():
            if path in after:
                assert after[path][:2] == what[:2]
            elif done.placed <= len(done.examples):
                assert path in sources
        held = Counter(what[1] for what in before.values() if what[0] == "file")
        now = Counter(what[1] for what in after.values() if what[0] == "file")
        assert now >= held
        names = sum(what[0] != "folder" for what in after.values())
        old = sum(what[0] != "folder" for what in before.values())
        assert names == old + (0 if way == Way.MOVE else done.placed)

        again = sort_done(ledger, wish, apply=True)
        assert (again.placed, again.in_place) == (0, len(collection))
        assert tree(root) == after

        taken = undo(ledger)
        assert not taken.kept
        assert not taken.folders_kept
        assert tree(root) == before
        assert places_of(ledger) == {}
