"""What several of the command's words have in common: exit codes, options, where the ledger lies."""

import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from client.words import printable


class Exit(IntEnum):
    """What the command's exit status means."""

    DONE = 0
    SOME_FAILED = 1
    CANNOT = (
        2  # wrong usage, or it cannot start or not go on: a full disk, no Pictor there
    )
    GAVE_UP = 3  # the server, or the local processes, are gone; what was done is kept
    INTERRUPTED = 130


Out = Annotated[
    Path, typer.Argument(help="The output of 'pictor classify'.", metavar="OUT")
]
Server = Annotated[
    str,
    typer.Option(
        envvar="PICTOR_URL", help="Address of a running Pictor.", metavar="URL"
    ),
]
Key = Annotated[
    str,
    typer.Option(
        envvar="PICTOR_KEY",
        help="API key, where Pictor wants one; better given as PICTOR_KEY than on the command line.",
        metavar="KEY",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]
SERVER = "http://127.0.0.1:8000"


def ledger_of(out: Path) -> Path:
    """Where the ledger of an output lies: beside it."""
    return out.with_name(out.name + ".ledger")


def lock_of(out: Path) -> Path:
    """The file that a run on an output holds."""
    return out.with_name(out.name + ".lock")


def leave(code: Exit, why: object = "") -> NoReturn:
    """Ends the command, with a line for people on stderr."""
    if why:
        print(f"pictor: {printable(str(why))}", file=sys.stderr)
    raise typer.Exit(code)
