"""``pictor sort`` and ``pictor undo``: classified files into a folder for each category, and back."""

import contextlib
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from client.collection import lock, taxonomy, undoing
from client.collection.ledger import Ledger
from client.collection.places import Way
from client.collection.records import shown
from client.collection.sorter import Wish
from client.collection.sorting import sort_done
from client.collection.sorting_tally import EXAMPLES, Sorted, Undone
from client.command.terms import Exit, Json, Out, leave, ledger_of, lock_of
from client.errors import ClientError
from client.words import printable

FOLDERS: Final = 40  # told, the fullest first


def sort(
    out: Out,
    *,
    into: Annotated[
        Path,
        typer.Option(
            help="The folder that gets a folder for each category.", metavar="DIR"
        ),
    ],
    by: Annotated[
        Way,
        typer.Option(
            help="link: a second name of the file, which takes no room. symlink: a pointer to it. "
            "copy: its bytes once more. move: it is then only there."
        ),
    ],
    taxonomy_file: Annotated[
        Path | None,
        typer.Option(
            "--taxonomy",
            help="Your own categories: a CSV with lines label,category, or JSON; a label may be a "
            "WordNet id or a pattern such as *terrier*; A/B makes folders within folders.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="With --taxonomy: the model's labels (CSV), to tell names that none of them has.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Files that are less sure go to the folder _review."
        ),
    ] = 0.5,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Do it. Without, it is only told what would be."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Puts classified files into a folder for each category; first it only tells what it would do.

    No file is overwritten: a name that is taken gets a number. 'pictor undo OUT' takes all of it back.
    Said again, it goes on where it stopped; with another threshold or taxonomy files are moved over.

    Exit status: 0 done, 1 some files could not be put anywhere, 2 it cannot start or not go on,
    130 interrupted.
    """
    try:
        wish = Wish(
            into,
            by,
            threshold,
            taxonomy.load(taxonomy_file) if taxonomy_file else None,
            tuple(taxonomy.labels(labels)) if labels else (),
        )
        with _begun(out, locked=apply), _interrupts() as stop:
            told = sort_done(ledger_of(out), wish, apply=apply, stop=stop)
    except (ClientError, OSError) as error:
        leave(Exit.CANNOT, error)
    except KeyboardInterrupt:
        leave(Exit.INTERRUPTED)
    _tell(told.plain(), _sorted(told, wish, apply=apply, out=out), as_json=as_json)
    if told.stopped:
        leave(Exit.INTERRUPTED, "interrupted; the same command goes on from here")
    leave(Exit.SOME_FAILED if apply and told.skipped else Exit.DONE)


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
    _tell(told.plain(), _undone(told, dry_run=dry_run), as_json=as_json)
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


def _sorted(told: Sorted, wish: Wish, *, apply: bool, out: Path) -> Iterator[str]:
    """What was sorted, or would be, in words."""
    does = "were" if apply else "would be"
    yield f"{told.placed:,} files {does} put into {wish.into} by {wish.way}"
    if told.in_place:
        yield f"{told.in_place:,} are in their place already"
    if told.moved_over:
        yield f"{told.moved_over:,} of them from where an earlier sorting has put them"
    if told.not_done:
        yield f"{told.not_done:,} have failed or are left to classify, and stay where they are"
    if told.folders:
        yield "Files by folder:"
        yield from _counted(told.folders, FOLDERS)
    if told.examples:
        yield "For example:"
        for source, target in told.examples:
            yield f"  {_line(source)} -> {_line(target)}"
    if told.clashes:
        yield f"{told.clashes:,} names {does} taken and get a number, such as:"
        yield from (f"  {_line(path)}" for path in told.clash_examples)
    if told.left_out:
        yield f"The taxonomy leaves out {len(told.left_out):,} labels; their files go to _other:"
        yield from _counted(told.left_out, FOLDERS)
    if told.unknown:
        yield (
            f"{len(told.unknown):,} names of the taxonomy are of no label known here: "
            + ", ".join(told.unknown[:EXAMPLES])
        )
    yield from _reasons("stay where they are", told.skipped, told.skip_examples)
    yield (
        f"Take it back with: pictor undo {out}"
        if apply
        else "Nothing was done. Do it with --apply."
    )


def _undone(told: Undone, *, dry_run: bool) -> Iterator[str]:
    """What was taken back, in words."""
    if dry_run:
        yield f"{told.back:,} files would be taken back"
        return
    yield f"{told.back:,} files were taken back, {told.folders:,} empty folders removed"
    yield from _reasons("could not be", told.kept, told.keep_examples)
    if told.folders_kept:
        yield f"{len(told.folders_kept):,} folders are not empty and stay:"
        yield from (f"  {_line(path)}" for path in told.folders_kept[:EXAMPLES])


def _reasons(
    what: str, counts: Counter[str], examples: Mapping[str, bytes]
) -> Iterator[str]:
    if counts:
        yield f"{counts.total():,} {what}:"
    for reason, count in counts.most_common():
        yield f"  {count:,}: {reason} The first: {_line(examples[reason])}"


def _counted(counts: Counter[str], most: int) -> Iterator[str]:
    for name, count in counts.most_common(most):
        yield f"  {count:>9,}  {name}"
    if len(counts) > most:
        yield f"  and {len(counts) - most:,} more"


def _line(path: bytes) -> str:
    """A path in one line, with nothing in it that a terminal would obey."""
    return printable(shown(path))
