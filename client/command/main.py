"""The command's entry: ``pictor``."""

import typer

from client.command.classify import classify
from client.command.doctor import doctor
from client.command.feedback import feedback
from client.command.labels import labels
from client.command.report import report
from client.command.sort import sort, undo
from client.command.status import status

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
    """Runs the command."""
    app()


if __name__ == "__main__":
    main()
