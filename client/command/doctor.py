"""``pictor doctor``: what is wrong here, and what to do about it."""

from typing import Annotated

import msgspec
import typer

from client.command.examining import examine
from client.command.finding import Finding
from client.command.terms import Exit, Json, Key, leave


def doctor(
    *,
    server: Annotated[
        str,
        typer.Option(
            envvar="PICTOR_URL",
            help="Address of a Pictor that should run; without, the one of this folder's settings.",
            metavar="URL",
            show_default=False,
        ),
    ] = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Looks at this machine and at a running Pictor; says of each thing whether it will do.

    Packages, settings, data folder, model, memory, Redis, server, workers. Nothing is changed.

    Exit status: 0 nothing fails, 1 something does.
    """
    findings: list[Finding] = []
    for finding in examine(server, key):
        findings.append(finding)
        if not as_json:
            print(finding.told())
    failed = any(one.state == "fail" for one in findings)
    if as_json:
        told = {"ok": not failed, "checks": findings}
        print(msgspec.json.encode(told).decode())
    leave(Exit.SOME_FAILED if failed else Exit.DONE)
