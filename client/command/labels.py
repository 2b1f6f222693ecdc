"""``pictor labels``: the categories that answers are among."""

import asyncio
from typing import Annotated

import msgspec
import typer

from client.command.terms import SERVER, Exit, Json, Key, Model, Server, leave
from client.command.together import not_with, only_with
from client.errors import ClientError, Refused
from common.errors import StartError


class Label(msgspec.Struct, frozen=True):
    """A category: WordNet id, label as answers have it, words for people."""

    wnid: str
    label: str
    description: str


class Labels(msgspec.Struct, frozen=True):
    """Categories of a model, in the order of its outputs."""

    model: str
    labels: list[Label]


def labels(
    context: typer.Context,
    text: Annotated[
        str,
        typer.Argument(
            help="Only those whose names hold this.",
            metavar="TEXT",
            show_default=False,
        ),
    ] = "",
    *,
    server: Server = SERVER,
    key: Key = "",
    local: Annotated[
        bool, typer.Option("--local", help="Those of this machine's model; no server.")
    ] = False,
    model: Model = "",
    as_json: Json = False,
) -> None:
    """Lists categories, one a line: WordNet id, label as in the output, in words.

    Exit status: 0 some are listed, 1 none is called like that, 2 wrong address or no such model,
    3 the server does not answer.
    """
    from client.http import Away

    try:
        only_with(context, "local", "model")
        not_with(context, "local", "server", "key")
        found = (
            _of_this_machine(model, text)
            if local
            else asyncio.run(_of_server(server, key, text))
        )
    except Away as error:
        leave(Exit.GAVE_UP, f"{error}. Start one with 'make run', or use --local.")
    except Refused as error:
        leave(Exit.GAVE_UP, error)
    except (ClientError, StartError) as error:
        leave(Exit.CANNOT, error)
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        _print(found.labels)
    if not found.labels:
        leave(
            Exit.SOME_FAILED,
            "" if as_json else f"no category of {found.model} is called like {text!r}",
        )


async def _of_server(server: str, key: str, text: str) -> Labels:
    from client import http

    return await http.get(server, "/v1/labels", Labels, key=key, query={"q": text})


def _of_this_machine(model: str, text: str) -> Labels:
    """The same as a server's answer: case and underscores do not matter."""
    from client.collection.local_model import categories

    name, every = categories(model)
    wanted = _plain(text)
    found = [Label(*one) for one in every]
    return Labels(
        name,
        [
            one
            for one in found
            if wanted in _plain(f"{one.label} {one.description} {one.wnid}")
        ],
    )


def _plain(text: str) -> str:
    return " ".join(text.replace("_", " ").casefold().split())


def _print(found: list[Label]) -> None:
    width = max((len(one.label) for one in found), default=0)
    for one in found:
        wnid = f"{one.wnid}  " if one.wnid else ""
        print(f"{wnid}{one.label:{width}}  {one.description}")
