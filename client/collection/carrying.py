"""Steps of sorting carried out, many at a time: journal, copies, places, journal."""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace

from client.collection import moves, placing
from client.collection.naming import Names, numbered
from client.collection.places import FOLDER, Mark, Place, Places, Sorting, Way
from client.collection.placing import Unfit
from client.collection.reading import Reader
from client.collection.records import Row
from client.collection.sorting_tally import Sorted

TRIES: Final = 10  # names, where others take them meanwhile


class Step(msgspec.Struct, frozen=True):
    """A file that is to be put into a folder.

    Attributes:
        wanted: its name, if that is free.
        old: where it was put before.
    """

    row: Row
    folder: bytes
    wanted: bytes
    old: Place | None = None
    mark: Mark = Mark()
    target: bytes = b""

    @property
    def clash(self) -> bool:
        """Whether it gets a number."""
        return self.target != os.path.join(self.folder, numbered(self.wanted, 1))


@dataclass(frozen=True)
class Carrier:
    """Puts files into their places, and tells the tally."""

    places: Places
    reader: Reader
    sorting: Sorting
    names: Names
    tally: Sorted
    way: Way

    def free(self, step: Step) -> bytes:
        """A path for it that nothing else has."""
        return os.path.join(step.folder, self.names.file(step.folder, step.wanted))

    def told(self, step: Step) -> None:
        """It is in its place, or would be."""
        self.tally.place(
            step.row.path, step.target, clash=step.clash, over=step.old is not None
        )

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Puts files into their places; raises OSError where no other file will fare better."""
        for folder in dict.fromkeys(step.folder for step in steps):
            self._make(folder)
        begun = [
            (
                step,
                self.places.begin(
                    step.row.number, step.row.path, step.target, self.way, step.mark
                ),
            )
            for step in steps
        ]
        self.places.commit()
        if self.way == Way.COPY:
            staged = [self._staged(step, place) for step, place in begun]
            begun = [pair for pair in staged if pair is not None]
            self.places.commit()
        for step, place in begun:
            self._put(step, place)
        self.places.commit()

    def _make(self, folder: bytes) -> None:
        missing = []
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for path in reversed(missing):
            place = self.places.begin(0, b"", path, FOLDER, Mark())
            self.places.commit()
            os.mkdir(path)
            self.places.update(replace(place, state="made"))
            self.places.commit()

    def _part(self, place: Place) -> bytes:
        return self.sorting.part(os.path.dirname(place.target), place.number)

    def _staged(self, step: Step, place: Place) -> tuple[Step, Place] | None:
        try:
            data = placing.checked(step.row, self.reader)
            place = placing.stage(place, self._part(place), data)
        except (Unfit, OSError) as error:
            self._failed(step, place, error)
            return None
        self.places.update(place)
        return step, place

    def _put(self, step: Step, place: Place) -> None:
        try:
            for _ in range(TRIES):
                try:
                    made = self._once(place)
                    break
                except FileExistsError:
                    step = replace(step, target=self.free(step))
                    place = replace(place, target=step.target)
                    self.places.update(place)
                    self.places.commit()
            else:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        except (Unfit, OSError) as error:
            self._failed(step, place, error)
            return
        self.places.update(made)
        self.told(step)

    def _once(self, place: Place) -> Place:
        part = self._part(place)
        try:
            return placing.put(place, part)
        except OSError as error:
            if error.errno != errno.EXDEV or self.way != Way.MOVE:
                raise
            return placing.move_far(self.places, place, part)

    def _failed(self, step: Step, place: Place, error: Unfit | OSError) -> None:
        """A file stays where it is; raises where no other will fare better."""
        moves.remove(self._part(place))
        if isinstance(error, OSError) and error.errno in placing.HOPELESS:
            raise error
        self.places.drop(place)
        self.tally.skip(
            step.row.path, str(error) if isinstance(error, Unfit) else cannot(error)
        )


def cannot(error: OSError) -> str:
    """What a person is told of an error."""
    if error.errno == errno.EXDEV:
        return placing.FAR
    return f"It cannot be put there: {error.strerror or error}."
