"""What sorting has done, or would do, in words for people."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from client.collection.records import shown
from client.collection.sorter import Wish
from client.collection.sorting_tally import EXAMPLES, Sorted, Undone
from client.words import printable

FOLDERS: Final = 40  # told, the fullest first


def sorted_told(told: Sorted, wish: Wish, *, apply: bool, out: Path) -> Iterator[str]:
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


def undone_told(told: Undone, *, dry_run: bool) -> Iterator[str]:
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
