"""Options that say nothing without another, or beside it: refused, rather than silently left aside."""

import typer

from client.errors import ClientError


class Apart(ClientError):
    """Options that do not go together; the message says what to do."""


def only_with(context: typer.Context, needed: str, *options: str) -> None:
    """Raises Apart where one of these parameters was given on the command line, without what it needs."""
    if not context.params[needed] and (given := _given(context, options)):
        raise Apart(
            f"{given} says something only with {_option(context, needed)}; add that, or leave it out"
        )


def not_with(context: typer.Context, other: str, *options: str) -> None:
    """Raises Apart where one of these was given on the command line beside what it says nothing for."""
    if context.params[other] and (given := _given(context, options)):
        raise Apart(
            f"{given} says nothing with {_option(context, other)}; leave one of them out"
        )


def _given(context: typer.Context, options: tuple[str, ...]) -> str:
    """The first of these that stands on the command line; what the environment says is not meant so."""
    for name in options:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            return _option(context, name)
    return ""


def _option(context: typer.Context, name: str) -> str:
    found = next(one for one in context.command.params if one.name == name)
    return max(found.opts, key=len)
