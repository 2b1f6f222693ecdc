"""What ``pictor classify --sort-into`` does when all is classified: what ``pictor sort`` does."""

import contextlib
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from client.collection import sorting
from client.collection.sorter import Wish
from client.command.sort import put
from client.command.sorted_words import sorted_told
from client.command.summary import Summary
from client.command.terms import Exit, ledger_of
from client.errors import ClientError
from client.words import printable


@dataclass(frozen=True)
class After:
    """How to sort at the end, if at all."""

    out: Path
    wish: Wish | None
    taxonomy: Path | None
    apply: bool
    quiet: bool

    def check(self) -> None:
        """Raises SortingError where it could not begin: before hours of work, not after them."""
        if self.wish is not None:
            sorting.check(ledger_of(self.out), self.wish, apply=self.apply)

    def sort(self, code: Exit, summary: Summary) -> tuple[Exit, object]:
        """Sorts what is done; how it all ended, and why if it could not go on."""
        if self.wish is None:
            return code, ""
        try:
            done = put(self.out, self.wish, apply=self.apply)
        except (ClientError, OSError) as error:
            return Exit.CANNOT, error
        except KeyboardInterrupt:
            return Exit.INTERRUPTED, ""
        summary.sorted = done.plain()
        if not self.quiet:
            told = sorted_told(done, self.wish, apply=self.apply, out=self.out)
            print("\n".join(told))
        if done.stopped:
            return Exit.INTERRUPTED, "interrupted; the same command goes on from here"
        return Exit.SOME_FAILED if self.apply and done.skipped else code, ""

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Where something ends the work, it is said that nothing was sorted."""
        try:
            yield
        except BaseException:
            self.tell()
            raise

    def tell(self) -> None:
        """Says that nothing was sorted, and what does it later."""
        if self.wish is None:
            return
        words = ["pictor", "sort", str(self.out), "--into", str(self.wish.into)]
        words += ["--by", self.wish.way, "--threshold", f"{self.wish.threshold:g}"]
        if self.taxonomy is not None:
            words += ["--taxonomy", str(self.taxonomy)]
        if self.apply:
            words.append("--apply")
        later = printable(shlex.join(words))
        print(
            "Nothing was sorted. The same command does it at its end; what is done by now is sorted by: "
            f"{later}",
            file=sys.stderr,
        )
