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
from client.collection.local import Local
from client.collection.local_child import LocalError
from client.collection.reading import Reader
from client.collection.remote import Remote
from client.collection.run import Run
from client.command.progress import Progress
from client.command.summary import Summary
from client.command.terms import Exit
from client.errors import BadAnswer, PatienceOver, Refused
from common.errors import PictorError
from common.settings import Settings

TELL_S: Final = 0.2
TROUBLE_S: Final = 2.0
GRACE_S: Final = 5.0  # for what is under way when it is interrupted
GOES_ON: Final = "The same command goes on from here."


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
        return Exit.GAVE_UP, f"{str(error).rstrip('.')}. {GOES_ON}"
    except BadAnswer as error:
        return Exit.CANNOT, f"{error}. {GOES_ON}"


async def _classify(
    ledger: Ledger, answerer: Remote | Local, summary: Summary, *, shown: bool
) -> Exit:
    """Works until all is done, or until it is interrupted."""
    stop = asyncio.Event()
    with Reader() as reader, _interrupts(stop):
        run = Run(ledger, reader, answerer, summary.tally, stop)
        working = asyncio.create_task(_run(run, answerer, summary, shown=shown))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not stop.is_set():
            await working
            return _code(ledger)
        # What is under way may wait for a server that never comes.
        await asyncio.wait({working}, timeout=GRACE_S)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError, PictorError):
            await working
        return Exit.INTERRUPTED


async def _run(
    run: Run, answerer: Remote | Local, summary: Summary, *, shown: bool
) -> None:
    async with answerer:
        started = time.monotonic()
        with Progress(run.ledger.counts()["left"], shown=shown) as progress:
            telling = asyncio.create_task(_tell(progress, run))
            try:
                await run.go()
            finally:
                telling.cancel()
                summary.seconds = time.monotonic() - started


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
    """Shows how far it is; says once when it waits for somebody who does not answer."""
    fine_at = time.monotonic()
    told = False
    while True:
        progress.tell(run.tally)
        if not (trouble := run.answerer.trouble):
            fine_at, told = time.monotonic(), False
        elif not told and time.monotonic() - fine_at > TROUBLE_S:
            progress.say(f"pictor: waiting for the server: {trouble}. Ctrl-C ends it.")
            told = True
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
