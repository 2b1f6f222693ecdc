"""``pictor classify``: files in, an output with a row for each."""

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from client.collection import lock, output, taxonomy
from client.collection.ledger import Ledger
from client.collection.manifests import names
from client.collection.records import Row
from client.collection.sources import Sources
from client.command.summary import Summary
from client.command.terms import (
    SERVER,
    Exit,
    Json,
    Key,
    Server,
    leave,
    ledger_of,
    lock_of,
)
from client.command.working import Wanted, answerer_of, work
from client.errors import ClientError
from common.errors import StartError

FOUND_AT_ONCE: Final = 1000  # files, between two commits
BETWEEN: Final = (b"\0", b"\r\n", b"\n")  # names on standard input
PIECE_BYTES: Final = 64 * 1024  # of standard input; longer than any name
TOP_K: Final = "top_k"  # the note of how many categories all answers have


def classify(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, globs, zip and tar archives; '-' reads names from standard input.",
            metavar="PATH...",
            show_default=False,
        ),
    ] = None,
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Where the answers go; the ending says how: .parquet, .csv or .jsonl.",
        ),
    ],
    manifest: Annotated[
        list[Path] | None,
        typer.Option(
            help="A list of files: text, CSV, TSV or Parquet (column path, file or url).",
            show_default=False,
        ),
    ] = None,
    server: Server = SERVER,
    key: Key = "",
    local: Annotated[
        bool,
        typer.Option("--local", help="Classify on this machine, without a server."),
    ] = False,
    model: Annotated[
        str, typer.Option(help="With --local: which network; see README, 'Models'.")
    ] = "",
    top_k: Annotated[int, typer.Option(min=1, max=20, help="Categories a file.")] = 5,
    taxonomy_file: Annotated[
        Path | None,
        typer.Option(
            "--taxonomy",
            help="Your own categories, as for 'pictor sort': two columns more, category and "
            "category_score.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try those again that failed before.")
    ] = False,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1024, help="Pictures under way at a server.")
    ] = 32,
    patience: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Seconds to wait for a server that is away or full; without, for ever.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing unless something fails.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Classifies every picture of a collection, and goes on where it stopped.

    A ledger beside the output (OUT.ledger) remembers each file. After Ctrl-C, a crash or a power cut
    the same command goes on; files that have changed are done again, new ones are added.

    Exit status: 0 all done, 1 some files failed, 2 it cannot start or not go on, 3 the server, or a
    process of --local, is gone, 130 interrupted.
    """
    wanted = Wanted(
        *(server, key, local, model, top_k, concurrency, patience),
        shown=not (quiet or as_json) and sys.stderr.isatty(),
    )
    say = _nothing if quiet or as_json else _say
    try:
        _check(out, paths or [], [*(manifest or []), *filter(None, [taxonomy_file])])
        answerer = answerer_of(wanted)
        extra = _categories(taxonomy_file) if taxonomy_file else None
        with lock.held(lock_of(out)), Ledger(ledger_of(out)) as ledger:
            summary = Summary(out)
            if retry_failed:
                say(f"{ledger.retry_failed():,} failed files are tried again")
            _find(ledger, itertools.chain(_named(paths), _listed(manifest)), summary)
            say(summary.found())
            if told := _mixed(ledger, top_k):
                say(told)
            code, why = work(ledger, answerer, summary, shown=wanted.shown)
            summary.ended(ledger)
            output.write(out, ledger.rows(), top_k, extra)
            if as_json:
                print(summary.as_json())
            else:
                for line in summary.told():
                    say(line)
            leave(code, why)
    except (ClientError, StartError) as error:
        leave(Exit.CANNOT, error)


def _categories(file: Path) -> tuple[tuple[str, ...], output.Extra]:
    """The columns that a taxonomy adds; raises TaxonomyError."""
    own = taxonomy.load(file)

    def add(row: Row) -> dict[str, str | float | None]:
        if row.content is None:
            return {}
        category, score = own.best(row.content.predictions)
        return {"category": category, "category_score": round(score, 6)}

    return ("category", "category_score"), add


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _nothing(text: str) -> None:
    """Says nothing."""


def _check(out: Path, paths: Sequence[str], lists: Sequence[Path]) -> None:
    """Raises OutputError where a run would end without its output, or write over what it reads."""
    output.check(out)
    for one in (*map(Path, paths), *lists):
        if out.exists() and one.exists() and out.samefile(one):
            raise output.OutputError(f"{out} is to be read; choose another --out")
    if not (paths or lists or ledger_of(out).exists()):
        raise output.OutputError("nothing to classify; name files, folders or archives")


def _mixed(ledger: Ledger, top_k: int) -> str:
    """What to say where earlier runs have asked for fewer categories."""
    before = ledger.noted(TOP_K, int) if ledger.counts()["done"] else None
    ledger.note(TOP_K, min(top_k, before or top_k))
    if before is None or before >= top_k:
        return ""
    return (
        f"What was done before has {before} categories a file. "
        "For more of them begin anew, with another --out."
    )


def _named(paths: Sequence[str] | None) -> Iterator[str]:
    for path in paths or ():
        if path == "-":
            yield from _standard_input()
        else:
            yield path


def _listed(manifests: Sequence[Path] | None) -> Iterator[str]:
    for manifest in manifests or ():
        yield from names(manifest)


def _find(ledger: Ledger, given: Iterable[str], summary: Summary) -> None:
    """Takes the files in, so many at a time."""
    sources = Sources()
    found = sources.find(given)
    while chunk := list(itertools.islice(found, FOUND_AT_ONCE)):
        with ledger.together():
            _, done = ledger.found(chunk)
        summary.files += len(chunk)
        summary.found_done += done
    summary.skipped = sources.skipped


def _standard_input() -> Iterator[str]:
    """Names, a line each, or with zero bytes between (``find -print0``); never all at once."""
    rest = between = b""
    while piece := sys.stdin.buffer.read(PIECE_BYTES):
        between = between or next(one for one in BETWEEN if one in piece + b"\n")
        *ended, rest = (rest + piece).split(between)
        yield from map(os.fsdecode, filter(None, ended))
    if rest:
        yield os.fsdecode(rest)
