"""What a supervised process does for itself."""

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from common import process
from common.errors import StartError
from common.process import NOTIFY_VARIABLE, Reporter, before


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_work_that_is_done_before_the_stop_says_so() -> None:
    assert await before(asyncio.Event(), asyncio.sleep(0)) is True


async def test_a_stop_cancels_the_work() -> None:
    stop = asyncio.Event()
    cleaned = asyncio.Event()

    async def work() -> None:
        stop.set()
        try:
            await for_ever()
        finally:
            cleaned.set()

    assert await before(stop, work()) is False
    assert cleaned.is_set()


async def test_work_that_fails_before_the_stop_raises() -> None:
    async def work() -> None:
        raise StartError("no")

    with pytest.raises(StartError):
        await before(asyncio.Event(), work())


@pytest.mark.parametrize("fast", [False, True])
def test_who_cannot_start_says_why_in_one_line(
    fast: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main() -> int:
        raise StartError("the port is taken")

    assert process.run(main, fast=fast) == process.EXIT_CANNOT_START == 2
    assert capsys.readouterr().err == "pictor: the port is taken\n"


@pytest.mark.parametrize("fast", [False, True])
def test_the_exit_status_is_that_of_main(fast: bool) -> None:
    def main() -> Coroutine[Any, Any, int]:
        return asyncio.sleep(0, result=7)

    assert process.run(main, fast=fast) == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_asks_for_the_stop(number: signal.Signals) -> None:
    stop = process.stop_event()
    os.kill(os.getpid(), number)
    try:
        async with asyncio.timeout(5):
            await stop.wait()
    finally:
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(one)


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The reading end of what a supervisor would hear."""
    reading, writing = os.pipe()
    monkeypatch.setenv(NOTIFY_VARIABLE, str(writing))
    yield reading
    os.close(reading)
    os.close(writing)


def test_a_reporter_says_each_word_once(supervisor: int) -> None:
    reporter = Reporter()
    reporter.ready()
    reporter.worked()
    reporter.worked()
    assert os.read(supervisor, 16) == process.READY + process.WORKED
    assert NOTIFY_VARIABLE not in os.environ  # it is not for this process's children


def test_a_reporter_survives_its_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setenv(NOTIFY_VARIABLE, str(writing))
    reporter = Reporter()
    os.close(reading)
    reporter.ready()
    reporter.worked()
    os.close(writing)


def test_without_a_supervisor_nothing_is_said() -> None:
    reporter = Reporter()
    reporter.ready()
    reporter.worked()
