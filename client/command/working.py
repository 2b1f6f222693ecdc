"""The work of ``pictor classify``: who classifies, and what ends it."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from client.asynchronous import Client
from client.collection.ledger import Ledger
from client.collection.local import Local, LocalError
from client.collection.reading import Reader
from client.collection.remote import Remote
from client.collection.run import Run
from client.command.progress import Progress
from client.command.summary import Summary
from client.command.terms import Exit
from client.errors import PatienceOver, Refused
from common.settings import Settings

TELL_S: Final = 0.2


@dataclass(frozen=True)
class Wanted:
    """How to classify, as the command line says it."""

    server: str
    key: str
    local: bool
    model: str
    top_k: int
    concurrency: int
    patience_s: float | None
    shown: bool


def work(
    ledger: Ledger, answerer: Remote | Local, summary: Summary, *, shown: bool
) -> tuple[Exit, object]:
    """Classifies what is left; how it ended, and why if it could not go on."""
    if not ledger.counts()["left"]:
        return _code(ledger), ""
    try:
        return asyncio.run(_classify(ledger, answerer, summary, shown=shown)), ""
    except (PatienceOver, Refused, LocalError) as error:
        return Exit.GAVE_UP, f"{error} The same command goes on from here."


async def _classify(
    ledger: Ledger, answerer: Remote | Local, summary: Summary, *, shown: bool
) -> Exit:
    with Reader() as reader:
        async with answerer:
            run = Run(ledger, reader, answerer, summary.tally)
            started = time.monotonic()
            with (
                _interrupts(run.stop),
                Progress(ledger.counts()["left"], shown=shown) as progress,
            ):
                telling = asyncio.create_task(_tell(progress, run))
                try:
                    await run.go()
                finally:
                    telling.cancel()
                    summary.seconds = time.monotonic() - started
            return Exit.INTERRUPTED if run.stop.is_set() else _code(ledger)


def _code(ledger: Ledger) -> Exit:
    return Exit.SOME_FAILED if ledger.counts()["failed"] else Exit.DONE


def answerer_of(wanted: Wanted) -> Remote | Local:
    """Who classifies: a server, or processes of this one's own."""
    if wanted.local:
        settings = Settings.load()
        if wanted.model:
            settings = msgspec.structs.replace(settings, model=wanted.model)
        return Local(settings, top_k=wanted.top_k)
    client = Client(wanted.server, key=wanted.key, connections=wanted.concurrency)
    return Remote(
        client,
        top_k=wanted.top_k,
        concurrency=wanted.concurrency,
        patience_s=wanted.patience_s,
    )


async def _tell(progress: Progress, run: Run) -> None:
    while True:
        progress.tell(run.tally)
        await asyncio.sleep(TELL_S)


@contextlib.contextmanager
def _interrupts(stop: asyncio.Event) -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the run in order, the second at once."""
    loop = asyncio.get_running_loop()

    def heard(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
