"""What several of the command's words have in common: exit codes, options, where the ledger lies."""

import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from client.collection.places import Way
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
Local = Annotated[
    bool,
    typer.Option("--local", help="On every core of this machine, without a server."),
]
Model = Annotated[
    str,
    typer.Option(
        help="With --local: efficientnet_lite0, _lite1 or _lite2, a network of keras.applications such "
        "as resnet50, or a folder with one of yours; without, what PICTOR_MODEL says, or the first.",
        metavar="NAME",
        show_default=False,
    ),
]
By = Annotated[
    Way,
    typer.Option(
        help="link: a second name of the file, which takes no room. symlink: a pointer to it. "
        "copy: its bytes once more. move: it is then only there."
    ),
]
Threshold = Annotated[
    float,
    typer.Option(
        min=0.0, max=1.0, help="Files that are less sure go to the folder _review."
    ),
]
Apply = Annotated[
    bool,
    typer.Option(
        "--apply", help="Put them there. Without, it is only told what would be."
    ),
]
TAXONOMY = (
    "a CSV with lines label,category, or JSON; a label may be a WordNet id or a pattern such as "
    "*terrier*; A/B makes folders within folders."
)
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
