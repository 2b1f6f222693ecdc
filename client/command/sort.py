"""``pictor sort`` and ``pictor undo``: classified files into a folder for each category, and back."""

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from client.collection import lock, taxonomy, undoing
from client.collection.ledger import Ledger
from client.collection.places import Way
from client.collection.sorter import Wish
from client.collection.sorting import sort_done
from client.collection.sorting_tally import Sorted
from client.command.sorted_words import sorted_told, undone_told
from client.command.terms import (
    TAXONOMY,
    Apply,
    By,
    Exit,
    Json,
    Out,
    Threshold,
    leave,
    ledger_of,
    lock_of,
)
from client.command.together import only_with
from client.errors import ClientError


def sort(
    context: typer.Context,
    out: Out,
    *,
    into: Annotated[
        Path,
        typer.Option(
            help="The folder that gets a folder for each category.", metavar="DIR"
        ),
    ],
    by: By = Way.LINK,
    taxonomy_file: Annotated[
        Path | None,
        typer.Option(
            "--taxonomy",
            help=f"Your own categories: {TAXONOMY}",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="With --taxonomy: the labels of a model, a CSV with the column label, to tell names "
            "that none of them has.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    threshold: Threshold = 0.5,
    apply: Apply = False,
    as_json: Json = False,
) -> None:
    """Puts classified files into a folder for each category; first it only tells what it would do.

    No file is overwritten: a name that is taken gets a number. 'pictor undo OUT' takes all of it back.
    Said again, it goes on where it stopped; with another threshold or taxonomy files are moved over.

    Exit status: 0 done, 1 some files could not be put anywhere, 2 it cannot start or not go on,
    130 interrupted.
    """
    try:
        only_with(context, "taxonomy_file", "labels")
        wish = Wish(
            into,
            by,
            threshold,
            taxonomy.load(taxonomy_file) if taxonomy_file else None,
            tuple(taxonomy.labels(labels)) if labels else (),
        )
        with _begun(out, locked=apply):
            told = put(out, wish, apply=apply)
    except (ClientError, OSError) as error:
        leave(Exit.CANNOT, error)
    except KeyboardInterrupt:
        leave(Exit.INTERRUPTED)
    _tell(told.plain(), sorted_told(told, wish, apply=apply, out=out), as_json=as_json)
    if told.stopped:
        leave(Exit.INTERRUPTED, "interrupted; the same command goes on from here")
    leave(Exit.SOME_FAILED if apply and told.skipped else Exit.DONE)


def put(out: Path, wish: Wish, *, apply: bool) -> Sorted:
    """Sorts what is done, until it is interrupted; as `sort_done`, which says who holds the lock."""
    with _interrupts() as stop:
        return sort_done(ledger_of(out), wish, apply=apply, stop=stop)


def undo(
    out: Out,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell how many files there are.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Takes back what 'pictor sort' has done: all files are where they were, folders it made are gone.

    What has been changed since is left alone and told.

    Exit status: 0 all is back, 1 some files could not be taken back, 2 it cannot start, 130 interrupted.
    """
    try:
        with _begun(out, locked=not dry_run), _interrupts() as stop:
            told = undoing.undo(ledger_of(out), apply=not dry_run, stop=stop)
    except (ClientError, OSError) as error:
        leave(Exit.CANNOT, error)
    except KeyboardInterrupt:
        leave(Exit.INTERRUPTED)
    _tell(told.plain(), undone_told(told, dry_run=dry_run), as_json=as_json)
    if told.stopped:
        leave(Exit.INTERRUPTED, "interrupted; the same command goes on from here")
    leave(Exit.SOME_FAILED if told.kept else Exit.DONE)


@contextlib.contextmanager
def _begun(out: Path, *, locked: bool) -> Iterator[None]:
    """The collection is there, and no other process is at work on it."""
    with Ledger(ledger_of(out), new=False):
        pass
    with lock.held(lock_of(out)) if locked else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """The first SIGINT or SIGTERM ends it in order, the second at once; both leave all consistent."""
    heard: list[int] = []

    def hear(number: int, _frame: object) -> None:
        if heard:
            raise KeyboardInterrupt
        heard.append(number)

    before = {one: signal.signal(one, hear) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(heard)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _tell(plain: Mapping[str, Any], lines: Iterator[str], *, as_json: bool) -> None:
    print(msgspec.json.encode(plain).decode() if as_json else "\n".join(lines))
