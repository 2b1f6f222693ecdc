"""Children: started in order, started again, stopped in reverse, and never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog

from common.errors import StartError
from common.supervisor import Child, ChildFailed, End, Supervisor

# What a child does: writes down what happens to it, says how far it is, waits to be ended.
PRELUDE = """
import os, signal, sys, time
from common.process import Reporter
reporter = Reporter()
def note(what):
    with open({notes!r}, "a") as file:
        print({name!r}, what, file=file)
def end(*_):
    note("stopped")
    sys.exit()
signal.signal(signal.SIGTERM, end)
note("started")
"""
WAIT = "\nwhile True: signal.pause()"
OBEDIENT = "reporter.ready()" + WAIT
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN); reporter.ready()" + WAIT


class Nursery:
    """Children whose life stands in one file."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / "notes"

    def child(self, name: str, code: str = OBEDIENT, **options: object) -> Child:
        prelude = PRELUDE.format(notes=str(self._notes), name=name)
        argv = (sys.executable, "-c", prelude + code)
        return Child(name, argv, **options)  # type: ignore[arg-type]

    @property
    def notes(self) -> list[str]:
        return self._notes.read_text().splitlines() if self._notes.exists() else []


@pytest.fixture
def nursery(tmp_path: Path) -> Nursery:
    return Nursery(tmp_path)


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    supervisor.kill()
    await supervisor.stop_together()


async def until(condition: Callable[[], bool], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may still wait to be collected."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def test_children_start_in_order_and_stop_in_reverse(
    supervisor: Supervisor, nursery: Nursery
) -> None:
    for name in ("redis", "inference", "gateway"):
        await supervisor.start(nursery.child(name))
    assert set(supervisor.pids()) == {"redis", "inference", "gateway"}
    await supervisor.stop()
    assert nursery.notes == [
        *("redis started", "inference started", "gateway started"),
        *("gateway stopped", "inference stopped", "redis stopped"),
    ]
    assert supervisor.pids() == {}


async def test_children_that_are_alike_stop_together(
    supervisor: Supervisor, nursery: Nursery
) -> None:
    await asyncio.gather(*(supervisor.start(nursery.child(str(n))) for n in range(3)))
    pids = supervisor.pids().values()
    await supervisor.stop_together()
    assert len(pids) == 3
    assert not any(alive(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_child_that_ends_is_started_again(
    supervisor: Supervisor, nursery: Nursery, number: int
) -> None:
    await supervisor.start(nursery.child("worker"))
    first = supervisor.pids()["worker"]
    os.kill(first, number)
    await until(lambda: supervisor.pids().get("worker", first) != first)
    await until(lambda: nursery.notes.count("worker started") == 2)


@pytest.mark.parametrize(
    ("status", "told"), [(2, True), (3, False), (0, False), (-9, False)]
)
async def test_a_child_that_ends_before_it_is_ready_has_failed(
    supervisor: Supervisor, nursery: Nursery, status: int, told: bool
) -> None:
    """With status 2 it has printed its reason itself."""
    code = f"os.kill(os.getpid(), {-status})" if status < 0 else f"sys.exit({status})"
    with pytest.raises(ChildFailed, match=rf"^worker .*\(exit status {status}\)$") as e:
        await supervisor.start(nursery.child("worker", code))
    assert e.value.told is told
    await supervisor.stop()
    assert nursery.notes == ["worker started"]  # and is not tried again


async def test_a_program_that_is_not_there_cannot_be_started(
    supervisor: Supervisor,
) -> None:
    with pytest.raises(StartError, match=r"^redis cannot be started"):
        await supervisor.start(Child("redis", ("/nowhere/redis-server",)))


async def test_a_child_that_ignores_the_signal_is_killed(
    supervisor: Supervisor, nursery: Nursery
) -> None:
    await supervisor.start(nursery.child("stubborn", STUBBORN, stop_s=0.2))
    pid = supervisor.pids()["stubborn"]
    started = time.monotonic()
    await supervisor.stop()
    assert 0.2 <= time.monotonic() - started < 5
    assert not alive(pid)


@pytest.mark.parametrize("stop", [Supervisor.stop, Supervisor.stop_together])
async def test_killing_ends_a_stop_that_waits(
    supervisor: Supervisor,
    nursery: Nursery,
    stop: Callable[[Supervisor], Coroutine[Any, Any, None]],
) -> None:
    """A second Ctrl-C: nobody is asked any more, also whom the stop is waiting for."""
    await supervisor.start(nursery.child("patient", STUBBORN, stop_s=60))
    await supervisor.start(nursery.child("stubborn", STUBBORN, stop_s=60))
    pids = supervisor.pids().values()
    stopping = asyncio.create_task(stop(supervisor))
    await asyncio.sleep(0)  # it has asked
    supervisor.kill()
    try:
        async with asyncio.timeout(5):
            await stopping
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)


async def test_restarts_wait_longer_each_time_until_work_is_done(
    supervisor: Supervisor, nursery: Nursery
) -> None:
    """At once the first time, then 0.1 s, 0.2 s, ...; good work ends that."""
    words = "reporter.ready(); {} note('up'); sys.exit()"
    with structlog.testing.capture_logs() as logs:
        await supervisor.start(nursery.child("idle", words.format("")))
        await supervisor.start(
            nursery.child("busy", words.format("reporter.worked();"))
        )

        def waits(name: str) -> list[float]:
            return [line["again_in_s"] for line in logs if line.get("child") == name]

        await until(lambda: len(waits("idle")) >= 4 and len(waits("busy")) >= 4)
    assert waits("idle")[:4] == [0.0, 0.1, 0.2, 0.4]
    assert set(waits("busy")[1:]) <= {0.0, 0.1}
    assert 0.0 in waits("busy")[1:]


async def test_a_crash_loop_is_told(supervisor: Supervisor, nursery: Nursery) -> None:
    """From the third death within a minute on, and every time; an end that was asked for is none."""
    ends: list[End] = []
    child = nursery.child("w", "reporter.ready(); sys.exit(3)", ended=ends.append)
    with structlog.testing.capture_logs() as logs:
        await supervisor.start(child)
        await until(lambda: len(ends) >= 4)
    assert [end.lately for end in ends[:4]] == [1, 2, 3, 4]
    assert [end.keeps_dying for end in ends[:4]] == [False, False, True, True]
    assert {end.status for end in ends[:4]} == {3}
    said = [(line["log_level"], line["event"]) for line in logs if "child" in line]
    assert said[:3] == [("warning", "child ended")] * 2 + [
        ("error", "child keeps dying")
    ]
    quiet: list[End] = []
    await supervisor.start(nursery.child("quiet", ended=quiet.append))
    await supervisor.stop()
    assert [(end.status, end.lately) for end in quiet] == [(None, 0)]


async def test_a_renewal_keeps_the_old_until_the_new_is_ready(
    supervisor: Supervisor, nursery: Nursery
) -> None:
    for name in ("one", "two"):
        await supervisor.start(nursery.child(name))
    before = supervisor.pids()
    await supervisor.renew()
    after = supervisor.pids()
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert nursery.notes[2:] == [
        *("one started", "one stopped", "two started", "two stopped"),
    ]


async def test_a_renewal_that_fails_leaves_what_runs(
    supervisor: Supervisor, nursery: Nursery, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    code = f"os.path.exists({str(broken)!r}) and sys.exit(5); reporter.ready()" + WAIT
    await supervisor.start(nursery.child("one", code))
    before = supervisor.pids()
    broken.touch()
    with pytest.raises(ChildFailed):
        await supervisor.renew()
    assert supervisor.pids() == before
    assert alive(before["one"])


async def test_a_renewal_does_not_wait_for_ever(
    supervisor: Supervisor,
    nursery: Nursery,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("common.supervisor.READY_S", 0.5)
    hang = tmp_path / "hang"
    code = f"os.path.exists({str(hang)!r}) or reporter.ready()" + WAIT
    await supervisor.start(nursery.child("one", code))
    before, children = supervisor.pids(), set(psutil.Process().children())
    hang.touch()
    with pytest.raises(StartError, match="one did not become ready"):
        await supervisor.renew()
    assert supervisor.pids() == before
    assert set(psutil.Process().children()) == children  # the fresh one is collected


async def test_a_stop_in_the_middle_of_a_renewal_leaves_nothing(
    supervisor: Supervisor, nursery: Nursery
) -> None:
    hang = "os.environ.get('X') or (os.path.exists({0!r}) or reporter.ready())" + WAIT
    marker = nursery._notes.with_name("hang")
    await supervisor.start(nursery.child("one", hang.format(str(marker))))
    marker.touch()
    renewing = asyncio.create_task(supervisor.renew())
    await until(lambda: nursery.notes.count("one started") == 2)
    await supervisor.stop_together()
    with pytest.raises(ChildFailed):
        await renewing
    assert nursery.notes.count("one stopped") == 2
    assert supervisor.pids() == {}


async def test_a_child_that_is_not_ready_yet_is_sent_no_signal(
    supervisor: Supervisor, nursery: Nursery
) -> None:
    """It has no handler yet, and would be ended by what asks it to renew."""
    starting = asyncio.create_task(
        supervisor.start(nursery.child("late", "time.sleep(0.3);" + OBEDIENT))
    )
    await until(lambda: "late started" in nursery.notes)
    supervisor.signal_to(("late",), signal.SIGUSR1)
    await starting
    supervisor.signal_to(("late",), signal.SIGUSR1)  # now it can hear it
    await until(lambda: nursery.notes.count("late started") == 2)


async def test_a_stop_while_a_process_is_made_leaves_no_descriptor(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    async def slow(*_: object, **__: object) -> None:
        await never.wait()

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slow)
    before = len(os.listdir("/dev/fd"))
    starting = asyncio.create_task(Supervisor().start(nursery.child("one")))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert len(os.listdir("/dev/fd")) == before


async def test_a_stop_waits_for_a_process_that_is_being_started_again_to_be_taken_back(
    supervisor: Supervisor, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, taken_back = asyncio.Event(), asyncio.Event()

    async def slow(*_: object, **__: object) -> None:
        making.set()
        try:
            await asyncio.Event().wait()
        finally:  # as asyncio's own, which ends the process and waits for that
            for _turn in range(3):
                await asyncio.sleep(0)
            taken_back.set()

    await supervisor.start(nursery.child("one"))
    monkeypatch.setattr(asyncio, "create_subprocess_exec", slow)
    os.kill(supervisor.pids()["one"], signal.SIGKILL)
    async with asyncio.timeout(10):
        await making.wait()
    await supervisor.stop()
    assert taken_back.is_set()


async def test_a_child_that_cannot_report_is_ready_when_its_probe_returns(
    supervisor: Supervisor, nursery: Nursery
) -> None:
    answers = asyncio.Event()

    async def probe() -> None:
        await answers.wait()

    starting = asyncio.create_task(
        supervisor.start(nursery.child("redis", WAIT, probe=probe))
    )
    await until(lambda: nursery.notes == ["redis started"])
    assert not starting.done()
    answers.set()
    async with asyncio.timeout(5):
        await starting


async def test_a_child_that_dies_again_while_it_is_probed_is_started_again(
    supervisor: Supervisor, nursery: Nursery
) -> None:
    """As a server would that is killed while it loads its file."""
    answers = asyncio.Event()
    answers.set()

    async def probe() -> None:
        await answers.wait()

    await supervisor.start(nursery.child("redis", WAIT, probe=probe))
    await until(lambda: nursery.notes == ["redis started"])
    answers.clear()
    for starts in (2, 3):
        os.kill(supervisor.pids()["redis"], signal.SIGKILL)
        await until(
            lambda starts=starts: nursery.notes.count("redis started") == starts
        )


async def test_a_probe_that_gives_up_does_not_end_the_keeping(
    supervisor: Supervisor, nursery: Nursery
) -> None:
    fails = False

    async def probe() -> None:
        if fails:
            raise StartError("Redis cannot be used: it does not answer")

    await supervisor.start(nursery.child("redis", WAIT, probe=probe))
    await until(lambda: nursery.notes == ["redis started"])
    fails = True
    for starts in (2, 3):
        os.kill(supervisor.pids()["redis"], signal.SIGKILL)
        await until(
            lambda starts=starts: nursery.notes.count("redis started") == starts
        )


async def test_a_child_has_its_environment_and_descriptors(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    code = (
        "import os; from common.process import Reporter; Reporter().ready();"
        f"os.write({writing}, os.environ['GREETING'].encode())"
    )
    child = Child(
        *("one", (sys.executable, "-c", code), {"GREETING": "hello"}),
        descriptors=(writing,),
    )
    await supervisor.start(child)
    os.close(writing)
    assert await asyncio.to_thread(os.read, reading, 16) == b"hello"
    os.close(reading)


ORPHANAGE = """
import asyncio, sys
from common.supervisor import Child, Supervisor
async def main():
    supervisor = Supervisor()
    await supervisor.start(Child("one", (sys.executable, "-c", sys.argv[1])))
    print(supervisor.pids()["one"], flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
FAITHFUL = """
import signal
from common.parent import end_with_parent
from common.process import Reporter
end_with_parent()
Reporter().ready()
while True: signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
async def test_a_child_ends_with_its_parent_however_that_ends() -> None:
    with subprocess.Popen(  # noqa: ASYNC220 - asyncio's ends with its loop
        [sys.executable, "-c", ORPHANAGE, FAITHFUL], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert alive(pid)
        parent.kill()
        await until(lambda: not alive(pid))
