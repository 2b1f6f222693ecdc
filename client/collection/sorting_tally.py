"""What sorting has done or would do, and what undoing has, in figures and examples."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from client.collection.records import shown

EXAMPLES: Final = 10


@dataclass
class Sorted:
    """What became of the files that are done; where nothing was applied, what would.

    Attributes:
        folders: how many files belong into each, by its path below the folder that is sorted into.
        placed: files that were put into their places, now.
        in_place: files that were there already.
        moved_over: of those placed, how many an earlier sorting had put elsewhere.
        clashes: of those placed, how many got a number because their name was taken.
        skipped: files that were not put anywhere, by the reason.
        left_out: labels that the taxonomy has no category for, and how many files have them.
        unknown: names in the taxonomy that no label has.
        not_done: files that have failed or are left to classify.
        examples: the first files and their places.
        clash_examples: places whose name was taken.
        skip_examples: the first file by reason.
        stopped: it was interrupted.
    """

    folders: Counter[str] = field(default_factory=Counter)
    placed: int = 0
    in_place: int = 0
    moved_over: int = 0
    clashes: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)
    not_done: int = 0
    examples: list[tuple[bytes, bytes]] = field(default_factory=list)
    clash_examples: list[bytes] = field(default_factory=list)
    skip_examples: dict[str, bytes] = field(default_factory=dict)
    stopped: bool = False

    def place(self, source: bytes, target: bytes, *, clash: bool, over: bool) -> None:
        """A file has a new place."""
        self.placed += 1
        self.moved_over += over
        self.clashes += clash
        if len(self.examples) < EXAMPLES:
            self.examples.append((source, target))
        if clash and len(self.clash_examples) < EXAMPLES:
            self.clash_examples.append(target)

    def skip(self, source: bytes, reason: str) -> None:
        """A file is not put anywhere."""
        self.skipped[reason] += 1
        self.skip_examples.setdefault(reason, source)

    def plain(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "placed": self.placed,
            "in_place": self.in_place,
            "moved_over": self.moved_over,
            "clashes": self.clashes,
            "not_done": self.not_done,
            "folders": dict(self.folders.most_common()),
            "skipped": dict(self.skipped.most_common()),
            "left_out": dict(self.left_out.most_common()),
            "unknown": self.unknown,
            "examples": [[shown(a), shown(b)] for a, b in self.examples],
            "stopped": self.stopped,
        }


@dataclass
class Undone:
    """What was taken back.

    Attributes:
        back: files that are where they were, their links or copies gone.
        kept: files that could not be taken back, by the reason; they stay in the journal.
        keep_examples: the first place by reason.
        folders: folders that were made by sorting, and are gone.
        folders_kept: those that others have put something into.
        stopped: it was interrupted.
    """

    back: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    keep_examples: dict[str, bytes] = field(default_factory=dict)
    folders: int = 0
    folders_kept: list[bytes] = field(default_factory=list)
    stopped: bool = False

    def keep(self, target: bytes, reason: str) -> None:
        """A file stays in its place."""
        self.kept[reason] += 1
        self.keep_examples.setdefault(reason, target)

    def plain(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "back": self.back,
            "kept": dict(self.kept.most_common()),
            "folders": self.folders,
            "folders_kept": [shown(path) for path in self.folders_kept],
            "stopped": self.stopped,
        }
