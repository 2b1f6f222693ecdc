from pathlib import Path

from client.collection import queries
from client.collection.ledger import Ledger
from client.collection.queries import Failures
from client.collection.records import Found

# Reasons in the order of their files: "a" three times, "b" twice, "c" once.
REASONS = "cabaab"


def test_failures_have_their_first_files_as_examples_and_the_commonest_come_first(
    tmp_path: Path,
) -> None:
    with Ledger(tmp_path / "out.ledger") as ledger:
        ledger.found(Found(b"/%d" % at, 1, 1) for at in range(len(REASONS) + 1))
        for row, reason in zip(ledger.left(0, len(REASONS)), REASONS, strict=True):
            ledger.failed(row.number, "broken-image", reason)
        with ledger.still() as db:
            assert queries.failures(db, 2, 2) == (
                3,
                [
                    Failures("broken-image", "a", 3, (b"/1", b"/3")),
                    Failures("broken-image", "b", 2, (b"/2", b"/5")),
                ],
            )
            _, (*_, last) = queries.failures(db, 9, 2)
            assert last == Failures("broken-image", "c", 1, (b"/0",))
