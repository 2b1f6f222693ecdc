"""``pictor classify``: files in, an output with a row for each."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from client.collection import lock, output, taxonomy
from client.collection.ledger import Ledger
from client.collection.places import Places, Way
from client.collection.records import Row
from client.collection.sorter import Wish
from client.command.after import After
from client.command.models import NoModel, others, serving
from client.command.summary import Summary
from client.command.taking import take
from client.command.terms import (
    SERVER,
    TAXONOMY,
    Apply,
    By,
    Exit,
    Json,
    Key,
    Local,
    Model,
    Server,
    Threshold,
    leave,
    ledger_of,
    lock_of,
)
from client.command.together import not_with, only_with
from client.command.working import Wanted, answerer_of, work
from client.errors import ClientError
from common.errors import StartError

ENDED: Final = (Exit.DONE, Exit.SOME_FAILED)
TOP_K: Final = "top_k"  # the note of how many categories all answers have


def classify(
    context: typer.Context,
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
            metavar="OUT",
        ),
    ],
    manifest: Annotated[
        list[Path] | None,
        typer.Option(
            help="A list of files: text, CSV, TSV or Parquet (column path, file or url).",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    server: Server = SERVER,
    key: Key = "",
    local: Local = False,
    model: Model = "",
    top_k: Annotated[int, typer.Option(min=1, max=20, help="Categories a file.")] = 5,
    taxonomy_file: Annotated[
        Path | None,
        typer.Option(
            "--taxonomy",
            help="Two columns more, category and category_score, by your own categories: "
            f"{TAXONOMY}",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    sort_into: Annotated[
        Path | None,
        typer.Option(
            "--sort-into",
            help="Then put the files into a folder for each category in there, as 'pictor sort OUT "
            "--into DIR' does, with --by, --threshold and --apply.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    by: By = Way.LINK,
    threshold: Threshold = 0.5,
    apply: Apply = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try those again that failed before.")
    ] = False,
    redo: Annotated[
        bool,
        typer.Option(
            "--redo",
            help="Do those again that another model has answered before; until then they are left.",
        ),
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

    Exit status: 0 all done, 1 some files failed or could not be sorted, 2 it cannot start or not go on,
    3 the server, or a process of --local, is gone, 130 interrupted.
    """
    wanted = Wanted(
        *(server, key, local, model, top_k, concurrency, patience),
        shown=not (quiet or as_json) and sys.stderr.isatty(),
    )
    say = _nothing if quiet or as_json else _say
    lists = [*(manifest or [])]
    try:
        _together(context)
        _check(out, paths or [], [*lists, *filter(None, [taxonomy_file])])
        own = taxonomy.load(taxonomy_file) if taxonomy_file else None
        wish = Wish(sort_into, by, threshold, own) if sort_into else None
        after = After(out, wish, taxonomy_file, apply=apply, quiet=quiet or as_json)
        answerer = answerer_of(wanted)
        with lock.held(lock_of(out)):
            summary = Summary(out, sorting=wish is not None)
            with Ledger(ledger_of(out)) as ledger, Places(ledger_of(out)) as places:
                after.check()
                if retry_failed:
                    say(f"{ledger.retry_failed():,} failed files are tried again")
                if redo:
                    say(_redone(ledger, places, wanted))
                take(ledger, places, paths or [], lists, summary)
                say(summary.found())
                if mixed := _mixed(ledger, top_k):
                    say(mixed)
                with after.told():
                    code, why = work(ledger, answerer, summary, shown=wanted.shown)
                    digest, ended = answerer.model_digest, code in ENDED
                    told = others(ledger, wanted, digest, ask=ended)
                    summary.ended(ledger, told)
                    output.write(
                        out, ledger.rows(), top_k, _columns(own) if own else None
                    )
            for line in summary.told():
                say(line)
            if code in ENDED:
                code, why = after.sort(code, summary)
            elif wish:
                after.tell()
            if as_json:
                print(summary.as_json())
            leave(code, why)
    except NoModel as error:
        leave(Exit.GAVE_UP, error)
    except (ClientError, StartError) as error:
        leave(Exit.CANNOT, error)


def _together(context: typer.Context) -> None:
    """Raises Apart where an option says nothing."""
    only_with(context, "local", "model")
    not_with(context, "local", "server", "key", "patience", "concurrency")
    only_with(context, "sort_into", "by", "threshold", "apply")
    if context.params["sort_into"] and not context.params["as_json"]:
        only_with(context, "apply", "quiet")


def _columns(own: taxonomy.Taxonomy) -> tuple[tuple[str, ...], output.Extra]:
    """The columns that a taxonomy adds."""

    def add(row: Row) -> dict[str, str | float | None]:
        if row.content is None:
            return {}
        category, score = own.best(row.content.predictions)
        return {"category": category, "category_score": round(score, 6)}

    return ("category", "category_score"), add


def _redone(ledger: Ledger, places: Places, wanted: Wanted) -> str:
    """Leaves to do again what other models have answered; what to say of it.

    Raises:
        ClientError, StartError: nobody says which model answers now, or the files are elsewhere.
    """
    sorting = places.sorting()
    if sorting is not None and sorting.way == Way.MOVE and places.count():
        raise ClientError(
            "its files have been moved to their places; take that back with 'pictor undo OUT' first"
        )
    now = serving(wanted, fetch=True)
    with ledger.together():
        return f"{ledger.redo(now):,} files of other models are done again"


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
