"""``python -m bench.killed``: a large collection whose command is killed with -9 three times, and goes on.

20,000 files unless told otherwise: pictures with another number in each, one in a hundred broken, one in twenty a copy of
another; once with ``--local``, once through a Pictor of the bench's own. Shown: every file in the output exactly
once, with its own end, and as the ledger counts it; what the kills cost; the most memory that the command had,
at most 300 MB. Moments are random, from a seed that is printed.
"""

import argparse
import asyncio
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

if not __package__:  # run as bench/killed.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import psutil
from msgspec import structs

from bench import pictures
from bench.subject import pictor
from client.collection.ledger import Ledger, LedgerError
from client.collection.records import STATUSES, Status
from client.command.terms import Exit, ledger_of
from common.errors import StartError
from common.settings import Settings

WAYS: Final = ("local", "server")
KILLS: Final = 3
MOST_MB: Final = 300  # that the command itself may have
BROKEN_EVERY: Final = 100
COPY_EVERY: Final = 20
LOOK_S: Final = 0.1
ENDS_WELL: Final = (Exit.DONE, Exit.SOME_FAILED)


def fill(folder: Path, originals: Sequence[bytes], count: int) -> dict[str, str]:
    """Makes the files; what each is, by its name: picture, copy or broken."""
    kinds = {}
    for number in range(count):
        data = pictures.numbered(originals[number % len(originals)], number)
        kind = "picture"
        if number % BROKEN_EVERY == BROKEN_EVERY - 1:
            kind, data = "broken", data[: len(data) // 2]
        elif number % COPY_EVERY == COPY_EVERY - 1:
            kind, before = "copy", number - COPY_EVERY // 2
            data = pictures.numbered(originals[before % len(originals)], before)
        path = folder / f"{number // 1000:03}" / f"{number:06}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        kinds[str(path)] = kind
    return kinds


def counted(out: Path) -> dict[Status, int]:
    """The ledger's counts; none where it is not begun."""
    try:
        with Ledger(ledger_of(out), new=False) as ledger:
            return ledger.counts()
    except LedgerError:
        return dict.fromkeys(STATUSES, 0)


def ended(out: Path) -> int:
    """Files that the ledger has as done or failed."""
    counts = counted(out)
    return counts["done"] + counts["failed"]


class Command:
    """``pictor classify``, with an eye on its memory."""

    def __init__(self, folder: Path, out: Path, way: Sequence[str]) -> None:
        self._line = [
            *(sys.executable, "-m", "client.command.main", "classify", str(folder)),
            *("--out", str(out), "--json", *way),
        ]
        self._out = out
        self.peak = 0

    def killed_at(self, files: int) -> int:
        """Runs it until so many files have ended, then kills it; how many had.

        Raises:
            StartError: it has ended by itself, and not well.
        """
        process = subprocess.Popen(self._line, stdout=subprocess.DEVNULL)
        while process.poll() is None and (done := ended(self._out)) < files:
            self._look(process.pid)
            time.sleep(LOOK_S)
        process.kill()
        if process.wait() not in (-signal.SIGKILL, *ENDS_WELL):
            raise StartError(f"pictor classify ended with {process.returncode}")
        return done

    def finished(self) -> dict[str, float]:
        """Runs it to its end; its summary. Raises StartError where it does not end well."""
        process = subprocess.Popen(self._line, stdout=subprocess.PIPE)
        while process.poll() is None:
            self._look(process.pid)
            time.sleep(LOOK_S)
        told, _ = process.communicate()
        if process.returncode not in ENDS_WELL:
            raise StartError(f"pictor classify ended with {process.returncode}")
        found: dict[str, float] = json.loads(told)
        return found

    def _look(self, pid: int) -> None:
        try:
            self.peak = max(self.peak, psutil.Process(pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return  # it has ended meanwhile


def check(out: Path, kinds: dict[str, str]) -> list[str]:
    """What is wrong with an output; nothing where each file is there once, with its own end, as in the ledger."""
    wrong = []
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    times = Counter(row["path"] for row in rows)
    if times != Counter(kinds.keys()):
        wrong.append(f"{len(kinds)} files, {len(rows)} rows, {len(times)} different")
    for row in rows:
        kind = kinds.get(row["path"], "none of the files")
        told = "broken" if row["status"] == "failed" else "picture"
        if row["duplicate_of"]:
            told = "copy"
        if told != kind and {told, kind} != {"picture", "copy"}:
            wrong.append(f"{row['path']} is {kind}, the row says {row['status']}")
    copies = sum(kind == "copy" for kind in kinds.values())
    told_copies = sum(bool(row["duplicate_of"]) for row in rows)
    if told_copies != copies:
        wrong.append(f"{copies} copies, {told_copies} rows say so")
    held, told_by_rows = counted(out), Counter(row["status"] for row in rows)
    if held != {status: told_by_rows[status] for status in STATUSES}:
        wrong.append(f"the ledger counts {held}, the rows {dict(told_by_rows)}")
    return wrong


def killed(
    files: int, originals: Sequence[bytes], moments: Sequence[int], way: Sequence[str]
) -> list[str]:
    """One collection, killed and continued; what is wrong in the end."""
    with tempfile.TemporaryDirectory(prefix="pictor-killed-") as name:
        folder, out = Path(name) / "in", Path(name) / "answers.jsonl"
        folder.mkdir()
        kinds = fill(folder, originals, files)
        command = Command(folder, out, way)
        for moment in moments:
            print(f"killed with {command.killed_at(moment)} files ended", flush=True)
        summary = command.finished()
        wrong = check(out, kinds)
    print(json.dumps(summary))
    megabytes = command.peak / 1e6
    print(f"the command itself had at most {megabytes:.0f} MB (bar: {MOST_MB})")
    if megabytes > MOST_MB:
        wrong.append(f"{megabytes:.0f} MB are more than {MOST_MB}")
    print("\n".join(wrong) or "each file is there once, with its own end", flush=True)
    return wrong


async def measure(options: argparse.Namespace) -> int:
    """Each way; 1 where anything is wrong."""
    originals = [one.data for one in pictures.load(options.images)]
    moments = sorted(random.Random(options.seed).sample(range(options.files), KILLS))
    print(f"seed {options.seed}: killed at {moments} of {options.files} files")
    wrong = []
    for way in WAYS if options.way == "both" else (options.way,):
        print(f"\n{way}:", flush=True)
        given = options.files, originals, moments
        if way == "local":
            wrong += await asyncio.to_thread(killed, *given, ["--local"])
            continue
        settings = structs.replace(Settings.load(), log_level="error")
        async with pictor(settings) as (running, server):
            await server.ready()
            line = ["--server", running.url]
            wrong += await asyncio.to_thread(killed, *given, line)
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.killed", description=__doc__)
    parser.add_argument(
        "--images", type=Path, help="a folder; default: cut-outs of photographs"
    )
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--way", choices=[*WAYS, "both"], default="both")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    return asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, StartError) as problem:
        print(f"killed: {problem}", file=sys.stderr)
        sys.exit(2)
