"""The command's entry: ``pictor``."""

import io
import sqlite3
import sys

import typer

from client.command.classify import classify
from client.command.doctor import doctor
from client.command.feedback import feedback
from client.command.labels import labels
from client.command.report import report
from client.command.sort import sort, undo
from client.command.status import status
from client.command.terms import Exit
from client.words import printable

app = typer.Typer(
    name="pictor",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Puts a whole collection of pictures into categories, and goes on where it stopped.",
    epilog="Begin with: pictor classify FOLDER --out answers.csv --local",
)
app.command()(classify)
app.command()(status)
app.command()(report)
app.command()(labels)
app.add_typer(feedback)
app.command()(doctor)
app.command()(sort)
app.command()(undo)


def main() -> None:
    """Runs the command; what a disk or a ledger does not let it do is one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name may be no text
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except (OSError, sqlite3.Error) as error:
        print(f"pictor: it cannot go on: {printable(str(error))}.", file=sys.stderr)
        sys.exit(Exit.CANNOT)


if __name__ == "__main__":
    main()
