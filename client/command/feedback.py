"""``pictor feedback export``: what people have said about answers, to take away."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from client.command.terms import SERVER, Exit, Key, Server, leave
from client.errors import ClientError, Refused

REPORTS: Final = "/feedback/export.jsonl"
PICTURES: Final = "/feedback/pictures.zip"
HELP: Final = "What people have reported about a server's answers."
PIECE_BYTES: Final = 1 << 20

feedback = typer.Typer(name="feedback", no_args_is_help=True, help=HELP)


@feedback.callback()
def words() -> None:
    """What people have reported about a server's answers."""


@feedback.command()
def export(
    *,
    server: Server = SERVER,
    key: Key = "",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where the reports go, one a line.")
    ] = Path("reports.jsonl"),
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Where pictures go that were kept with reports, a zip by category; without, nowhere.",
            show_default=False,
            metavar="FILE.zip",
        ),
    ] = None,
) -> None:
    """Stores all reports as JSON Lines, and the kept pictures if they are asked for.

    Without API keys a server gives them only to its own machine; with keys it takes one of the scope
    admin.

    Exit status: 0 all is there, 2 a file cannot be written or the address is wrong, 3 the server does
    not answer, or refuses.
    """
    from client.http import Away

    try:
        asyncio.run(_export(server, key, out, pictures))
    except Away as error:
        leave(
            Exit.GAVE_UP, f"{error}. Start one with 'make run', or name one: --server"
        )
    except Refused as error:
        leave(Exit.GAVE_UP, _advice(error, server, given=bool(key)))
    except ClientError as error:
        leave(Exit.CANNOT, error)


async def _export(server: str, key: str, out: Path, pictures: Path | None) -> None:
    from client import http
    from client.words import size

    bytes_ = await http.download(server, REPORTS, out, key=key)
    print(f"{out}: {_lines(out):,} reports, {size(bytes_)}")
    if pictures is not None:
        bytes_ = await http.download(server, PICTURES, pictures, key=key)
        print(f"{pictures}: {size(bytes_)}")


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(
            piece.count(b"\n") for piece in iter(lambda: file.read(PIECE_BYTES), b"")
        )


def _advice(error: Refused, server: str, *, given: bool) -> str:
    """What to do about a no."""
    if error.status == 401:
        way = (
            "this key is none of its keys"
            if given
            else "give one: PICTOR_KEY, or --key"
        )
        return (
            f"{server} wants an API key of the scope admin; {way}. "
            "'python -m gateway.api_keys' makes them there."
        )
    if error.status == 403:
        return f"{server} does not give reports away to this caller. {error.detail}"
    if error.status == 404:
        return f"{server} has no export of reports: it is older than this command, or no Pictor"
    return f"{server}: {error.detail}"
