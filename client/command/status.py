"""``pictor status``: how far a collection is."""

import msgspec

from client.collection.ledger import Ledger
from client.command.terms import Exit, Json, Out, leave, ledger_of
from client.errors import ClientError


def status(out: Out, *, as_json: Json = False) -> None:
    """Says how many files of a collection are done, have failed, and are left; also during a run.

    With --json also whether it is complete: nothing is left.

    Exit status: 0 all done, 1 some failed or are left, 2 there is no such collection.
    """
    try:
        with Ledger(ledger_of(out), new=False) as ledger:
            counts, duplicates = ledger.counts(), ledger.duplicates()
    except ClientError as error:
        leave(Exit.CANNOT, error)
    if as_json:
        complete = not counts["left"]
        told = msgspec.json.encode(
            {"complete": complete, **counts, "duplicates": duplicates}
        ).decode()
    else:
        told = (
            f"{counts['done']:,} done, {counts['failed']:,} failed, {counts['left']:,} left; "
            f"{duplicates:,} duplicates"
        )
    print(told)
    leave(Exit.SOME_FAILED if counts["failed"] or counts["left"] else Exit.DONE)
