"""``python -m bench.ledger``: what the command costs where a collection has a million files.

The ledger is generated, the files are names of a few (hard links), so that every step looks at what it looks at
in earnest; nothing is classified: the server that is named is not there. Each word of the command runs by itself.
Shown: seconds from its start to its end and the most memory that it had, each beside its bar.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

if not __package__:  # run as bench/ledger.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from client.command.terms import Exit, ledger_of
from common.errors import StartError
from tests.support import ledgers

ROWS: Final = 1_000_000
MOST_MB: Final = 300
NAMES: Final = 50_000  # of one file; ext4 allows 65,000
NOBODY: Final = ("--server", "http://127.0.0.1:9", "--patience", "0.1")  # RFC 863
LOOK_S: Final = 0.02


@dataclass(frozen=True)
class Step:
    """A word of the command.

    Attributes:
        name: as the table has it.
        line: what the command is given.
        most_s: the bar, for ROWS rows on two cores.
        ends: the exit status that says that it went well.
    """

    name: str
    line: tuple[str, ...]
    most_s: float
    ends: Exit


@dataclass(frozen=True)
class Seen:
    """What a step took: seconds, and the most memory that the process had, in megabytes."""

    seconds: float
    megabytes: float


class Collection:
    """Files, their list, a taxonomy, and a ledger in which all but the last file are done or have failed."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.top, self.list = folder / "photos", folder / "list.txt"
        self.taxonomy, self.out = folder / "own.csv", folder / "answers.csv"
        self._fill(folder, rows)
        status = (self.top / ledgers.name_of(1)).stat()
        ledgers.generated(
            *(ledger_of(self.out), rows, str(self.top)),
            *(status.st_size, status.st_mtime_ns),
        )

    def _fill(self, folder: Path, rows: int) -> None:
        with self.list.open("w") as names:
            for number in range(1, rows + 1):
                if number % NAMES == 1:
                    first = folder / f"{number}"
                    first.write_bytes(b"no picture is looked at")
                    os.utime(first, (1, 1))
                path = self.top / ledgers.name_of(number)
                if number % ledgers.FOLDER == 0 or number == 1:
                    path.parent.mkdir(parents=True, exist_ok=True)
                os.link(first, path)
                names.write(f"{path}\n")
        categories = [f"label_{number},Category {number % 10}" for number in range(200)]
        self.taxonomy.write_text("\n".join([*categories, "*_2?5,Patterns"]))

    def renamed(self, ending: str) -> Path:
        """The same collection under another output."""
        out = self.out.with_suffix(ending)
        ledger_of(self.out).rename(ledger_of(out))
        self.out = out
        return out


def steps(made: Collection) -> Iterator[Step]:
    """What is measured, one after the other: each finds what the one before has left."""
    begun, out = made.out.with_name("begun.csv"), made.out
    into = str(made.out.with_name("sorted"))
    sort = ("sort", str(out), "--into", into, "--by", "symlink")
    classify, gone = ("classify", *NOBODY, "--json", "--out"), Exit.GAVE_UP
    listed = ("--manifest", str(made.list))
    yield Step("begin, from a list", (*classify, str(begun), *listed), 60, gone)
    yield Step("go on, CSV", (*classify, str(out), str(made.top)), 60, gone)
    yield Step("status", ("status", str(out), "--json"), 5, Exit.SOME_FAILED)
    yield Step("report", ("report", str(out)), 30, Exit.DONE)
    yield Step("sort, dry run", sort, 90, Exit.DONE)
    own = (*sort, "--taxonomy", str(made.taxonomy))
    yield Step("sort, dry run, own categories", own, 90, Exit.DONE)
    for ending, name in ((".parquet", "Parquet"), (".jsonl", "JSON Lines")):
        other = str(made.renamed(ending))
        yield Step(f"output alone, {name}", (*classify, other), 30, gone)


def taken(step: Step) -> Seen:
    """Runs a step; raises StartError where it does not end as it should."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "client.command.main", *step.line],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    most = 0.0
    while process.poll() is None:
        most = max(most, _peak(process.pid))
        time.sleep(LOOK_S)
    seconds = time.monotonic() - started
    _, said = process.communicate()
    if process.returncode != step.ends:
        raise StartError(f"{step.name}: exit status {process.returncode}: {said}")
    return Seen(seconds, most)


def _peak(pid: int) -> float:
    """The most memory that a process has had until now, in megabytes; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return peaks[0] / 1000 if peaks else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.ledger", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    over = []
    with tempfile.TemporaryDirectory(prefix="pictor-ledger-") as name:
        made = Collection(Path(name), rows)
        megabytes = ledger_of(made.out).stat().st_size / 1e6
        print(f"{rows:,} files, a ledger of {megabytes:,.0f} MB\n")
        print("| step | seconds | bar | MB | bar |\n| --- | --- | --- | --- | --- |")
        for step in steps(made):
            seen = taken(step)
            told = f"{seen.seconds:.1f} | ≤ {step.most_s:g} | {seen.megabytes:.0f}"
            print(f"| {step.name} | {told} | ≤ {MOST_MB} |", flush=True)
            if seen.seconds > step.most_s or seen.megabytes > MOST_MB:
                over.append(step.name)
    if over:
        print(f"\nover its bar: {', '.join(over)}")
    return 1 if over else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, StartError) as problem:
        print(f"ledger: {problem}", file=sys.stderr)
        sys.exit(2)
