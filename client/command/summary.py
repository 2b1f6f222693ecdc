"""What a run says at its end, in words or as JSON."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from client.collection.ledger import Ledger
from client.collection.records import Status, shown
from client.collection.run import Tally
from client.command.progress import in_words
from client.words import printable

SHOWN: Final = 10  # failed files


@dataclass
class Summary:
    """One run's figures; see `as_json` for what they mean."""

    out: Path
    files: int = 0
    found_done: int = 0
    skipped: int = 0
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)
    counts: dict[Status, int] = field(default_factory=dict)
    duplicates: int = 0
    put: int = 0
    others: tuple[int, list[str]] | None = None
    sorting: bool = False
    sorted: dict[str, Any] | None = None
    failures: list[tuple[str, str]] = field(default_factory=list)

    def found(self) -> str:
        """What there is, before it is worked on."""
        told = f"{self.files:,} files found"
        if self.found_done:
            told += f", {self.found_done:,} of them done already"
        if self.skipped:
            told += f"; {self.skipped:,} others are no pictures by their names"
        if self.put:
            told += f"; {self.put:,} more were put there by 'pictor sort'"
        return told

    def ended(
        self, ledger: Ledger, others: tuple[int, list[str]] | None = None
    ) -> None:
        """Takes the figures of a run that has ended, and `client.command.models.others`."""
        self.others = others
        self.counts = ledger.counts()
        self.duplicates = ledger.duplicates()
        for row in ledger.rows("failed"):
            self.failures.append((row.shown, row.reason))
            if len(self.failures) == SHOWN:
                break

    def told(self) -> Iterator[str]:
        """The end in words, a line at a time."""
        counts = self.counts
        yield (
            f"{counts['done']:,} done, {counts['failed']:,} failed, {counts['left']:,} left; "
            f"{self.duplicates:,} duplicates"
        )
        if ended := self.tally.done + self.tally.failed:
            rate = ended / max(self.seconds, 0.001)
            took = in_words(self.seconds)
            yield f"{ended:,} of them now, in {took}: {rate:.1f} a second"
        if counts["left"]:
            yield "The same command goes on from here."
        for path, reason in self.failures:
            yield printable(f"  {path}: {reason}")
        if counts["failed"] > len(self.failures):
            more = counts["failed"] - len(self.failures)
            yield f"  and {more:,} more; all are in {self.out}"
        if counts["failed"]:
            yield "Try the failed ones again with --retry-failed."
        if self.others and self.others[0]:
            count, names = self.others
            yield (
                f"{count:,} of the done ones were answered by another model ({', '.join(names)}) and stay "
                "so; --redo does them again."
            )
        yield f"{shown(os.fsencode(self.out))} has a row for each."

    def as_json(self) -> str:
        """The same for programs.

        ``found`` files were named or lay in what was named, ``found_done`` of them needed no work,
        ``skipped`` are no pictures by their names; ``done``, ``failed`` and ``left`` count all files of
        the ledger, ``duplicates`` those with the bytes of another; ``classified`` were run by the
        network in this run, which took ``seconds``, warm-up apart; ``other_models`` counts the done ones
        that another model has answered than the one that would now, null where nobody says which that
        is; ``sorted``, with --sort-into, is what ``pictor sort --json`` tells, null where nothing was.
        """
        told = {"sorted": self.sorted} if self.sorting else {}
        return msgspec.json.encode(
            {
                "out": shown(os.fsencode(self.out)),
                "found": self.files,
                "found_done": self.found_done,
                "skipped": self.skipped,
                **self.counts,
                "duplicates": self.duplicates,
                "classified": self.tally.done - self.tally.reused,
                "seconds": round(self.seconds, 2),
                "other_models": self.others and self.others[0],
                **told,
            }
        ).decode()
