"""``pictor report``: a collection as a page to look at."""

from pathlib import Path
from typing import Annotated

import typer

from client.collection.ledger import Ledger
from client.command.terms import Exit, Out, leave, ledger_of, lock_of
from client.errors import ClientError


def report(
    out: Out,
    *,
    to: Annotated[
        Path | None,
        typer.Option(
            help="The HTML file; without, answers.report.html beside answers.csv.",
            show_default=False,
            metavar="FILE",
        ),
    ] = None,
    thumbnails: Annotated[
        int, typer.Option(min=0, max=5000, help="Pictures shown at most; 0: none.")
    ] = 200,
) -> None:
    """Writes what a collection holds as one HTML file, for any browser, without a network.

    Counts by category, how sure the answers are, the least certain pictures, look-alikes, duplicates,
    and failures with their reasons. Also during a run, of what is known by then.

    Exit status: 0 it is written, 2 there is no such collection, or the file cannot be written.
    """
    from client.collection.report import write
    from client.words import size

    to = to or out.with_name(f"{out.stem}.report.html")
    ours = (one for one in (out, ledger_of(out), lock_of(out)) if one.exists())
    if to.exists() and any(to.samefile(one) for one in ours):
        leave(Exit.CANNOT, f"{to} is the collection itself; choose another --to")
    try:
        with Ledger(ledger_of(out), new=False) as ledger:
            facts = write(out, ledger, to, thumbnails)
    except ClientError as error:
        leave(Exit.CANNOT, error)
    print(f"{to}: {facts.totals.files:,} files, {size(to.stat().st_size)}")
