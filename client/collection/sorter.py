"""The loop of sorting: what belongs where, what is there already, and the steps in between."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from client.collection import placing
from client.collection.carrying import Carrier, Step, cannot
from client.collection.categories import Categories, labels_of
from client.collection.ledger import Ledger
from client.collection.naming import LONGEST, Names, file_name
from client.collection.places import Mark, Place, Places, Sorting, Way
from client.collection.placing import Unfit
from client.collection.reading import Reader
from client.collection.records import Row, apart
from client.collection.sorting_tally import Sorted
from client.collection.taxonomy import Taxonomy
from client.collection.undoing import AT_ONCE, Stop, sweep, take_back


class Wish(msgspec.Struct, frozen=True):
    """How to sort.

    Attributes:
        into: the folder; made where it is missing.
        threshold: below this probability a file goes to the review folder.
        labels: those of the model (WordNet id, label), as far as they are known.
    """

    into: Path
    way: Way
    threshold: float = 0.5
    taxonomy: Taxonomy | None = None
    labels: tuple[tuple[str, str], ...] = ()


class Sorter:
    """Goes through all files that are done; a new one for each time."""

    def __init__(
        self,
        ledger: Ledger,
        places: Places,
        reader: Reader,
        sorting: Sorting,
        wish: Wish,
        *,
        apply: bool,
    ) -> None:
        """Takes what it reads, the journal that it writes, and whether it does anything at all."""
        self._ledger, self._places, self._reader = ledger, places, reader
        self._sorting, self._way, self._apply = sorting, wish.way, apply
        self._categories = Categories(
            labels_of(ledger, wish.labels), wish.taxonomy, wish.threshold
        )
        self._names = Names(_longest(sorting.into))
        self._folders: dict[str, bytes] = {}
        self._same: tuple[bytes, tuple[int, int] | None] = (b"", None)
        self._tally = Sorted(unknown=self._categories.unknown())
        self._carrier = Carrier(
            places, reader, sorting, self._names, self._tally, wish.way
        )

    def go(self, stop: Stop) -> Sorted:
        """Sorts; raises OSError where it makes no sense to go on."""
        counts = self._ledger.counts()
        self._tally.not_done = counts["failed"] + counts["left"]
        rows = self._ledger.rows("done")
        while chunk := list(itertools.islice(rows, AT_ONCE)):
            if stop():
                self._tally.stopped = True
                break
            self._sort(chunk)
        self._names.close()
        if self._apply:
            sweep(self._places)  # of a former sorting's folders some may be empty now
        return self._tally

    def _sort(self, rows: Sequence[Row]) -> None:
        steps = [step for row in rows if (step := self._wanted(row)) is not None]
        if self._apply:
            steps = self._cleared(steps)
        steps = [named for step in steps if (named := self._named(step)) is not None]
        if self._apply:
            self._carrier.carry_out(steps)
        else:
            for step in steps:
                self._carrier.told(step)

    def _wanted(self, row: Row) -> Step | None:
        """Where a file belongs; None: it is there."""
        assert row.content is not None
        category, left_out = self._categories.of(row.content.predictions)
        self._tally.folders[category] += 1
        if left_out:
            self._tally.left_out[left_out] += 1
        folder = self._folder(category)
        old = self._places.of_file(row.number)
        if old is not None and old.mark.digest != row.content.digest:
            if self._way == Way.MOVE:
                old = None  # what was moved is another file, which had the same name
            elif self._way != Way.SYMLINK:
                return Step(row, folder, file_name(row.path), old)
        if self._in_place(row, folder, old):
            self._tally.in_place += 1
            return None
        return Step(row, folder, file_name(row.path), old)

    def _in_place(self, row: Row, folder: bytes, old: Place | None) -> bool:
        if old is not None:
            there = os.path.dirname(old.target) == folder
            return there and os.path.lexists(old.target)
        return self._is_within(row, folder) or self._places.is_target(row.path)

    def _is_within(self, row: Row, folder: bytes) -> bool:
        """Whether the file lies in the folder as it is."""
        path, entry = apart(row.path)
        if entry:
            return False
        parent = os.path.dirname(path)
        if self._same[0] != parent:
            self._same = parent, _identity(parent)
        return self._same[1] is not None and self._same[1] == _identity(folder)

    def _folder(self, category: str) -> bytes:
        """A category's folder; what is in its way is not touched."""
        if category not in self._folders:
            path = self._sorting.into
            for part in category.split("/"):
                path = os.path.join(path, self._names.folder(path, os.fsencode(part)))
            self._folders[category] = path
        return self._folders[category]

    def _cleared(self, steps: Sequence[Step]) -> list[Step]:
        """Those files that lie elsewhere since an earlier sorting are taken back first."""
        clear = []
        for step in steps:
            if step.old is not None:
                try:
                    why = take_back(self._places, step.old, self._sorting)
                except OSError as error:
                    why = cannot(error)
                if why:
                    self._tally.skip(step.row.path, why)
                    continue
                self._places.drop(step.old)
                if self._is_within(step.row, step.folder):
                    self._tally.in_place += 1
                    continue
            clear.append(step)
        self._places.commit()
        return clear

    def _named(self, step: Step) -> Step | None:
        """With a name that is free, if the file is fit to be put there."""
        mark = Mark()
        if self._apply or step.old is None:  # otherwise it is not where it was
            try:
                mark = placing.mark(
                    step.row, self._way, self._reader, thoroughly=self._apply
                )
            except Unfit as error:
                self._tally.skip(step.row.path, str(error))
                return None
        return replace(step, mark=mark, target=self._carrier.free(step))


def _identity(folder: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _longest(folder: bytes) -> int:
    """How many bytes a name may have there."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    try:
        return min(os.pathconf(folder, "PC_NAME_MAX"), LONGEST)
    except (OSError, ValueError):
        return LONGEST
