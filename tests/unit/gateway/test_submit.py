"""From an image to its answer, with a real Redis and a worker played by the test."""

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from common import connections, errors, keys, wire
from common.connections import Keeper
from common.keys import GROUP
from common.link import Link
from gateway import replies as replies_module
from gateway import submit as submit_module
from gateway.flights import Job, StillRunning
from gateway.replies import Replies
from gateway.submit import Submitter
from tests.support.server import Server

JOB = Job(b"\xff\xd8\xff picture", "interactive", top_k=5, thumbnail_px=0, deadline_s=5)
STREAM = keys.requests("m", "interactive")


@dataclass
class Entry:
    """A stream entry as the worker's side reads it."""

    id: bytes
    request: wire.Request
    image: bytes

    @classmethod
    def of(cls, row: list[Any]) -> "Entry":
        named = dict(zip(row[1][::2], row[1][1::2], strict=True))
        return cls(row[0], wire.read_request(named[b"h"]), named[b"img"])

    def success(self, label: str = "dog") -> wire.Success:
        predictions = (wire.Prediction("n1", label, label, 0.5),)
        return wire.Success(1, self.request.id, "", "m", "d", predictions)


class Gateway:
    """What a gateway has between its routes and Redis, and the other side of it."""

    def __init__(self, url: str, *, share: bool = True) -> None:
        self.link, self._hot, self._reader = Keeper(url), Keeper(url), Keeper(url)
        self.replies = Replies(url, self._reader)
        self.submitter = Submitter(
            self._hot, self.replies, "m", share=share, result_ttl_s=30
        )
        self._tasks: list[asyncio.Task[Any]] = []

    def submit(self, job: Job = JOB, *, keep: bool = False) -> asyncio.Task[Any]:
        task = asyncio.create_task(self.submitter.submit(job, keep=keep))
        self._tasks.append(task)
        return task

    async def entries(self, count: int = 1, stream: str = STREAM) -> list[Entry]:
        """The entries on a stream, once there are this many."""
        return [Entry.of(row) for row in await self.rows(count, stream)]

    async def rows(self, count: int, stream: str = STREAM) -> list[Any]:
        """What is on a stream, once it is this much."""
        await until(lambda: self._has(stream, count))
        rows: list[Any] = await self.link.call("XRANGE", stream, "-", "+")
        return rows

    async def entry(self) -> Entry:
        """The one entry that is on its stream."""
        (entry,) = await self.entries()
        return entry

    async def _has(self, stream: str, count: int) -> bool:
        return bool(await self.link.call("XLEN", stream) >= count)

    async def end(self, entry: Entry, ended: wire.Ended, *, tell: bool = True) -> None:
        """Ends a request as `inference.publisher` does; with `tell` off, the wake-up is lost."""
        name, payload = keys.result(entry.request.id), wire.encode(ended)
        await self.link.call("SET", name, payload, "NX", "PX", 30_000)
        if tell:
            await self.link.call("PUBLISH", name, payload)
        await self.link.call("XDEL", STREAM, entry.id)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.submitter.finish(0)
        await self.replies.stop()
        for keeper in (self.link, self._hot, self._reader):
            await keeper.close()


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 8) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def gateway(
    flushed_redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    monkeypatch.setattr(replies_module, "SWEEP_S", 0.05)
    gateway = Gateway(flushed_redis_url)
    gateway.replies.start()
    yield gateway
    await gateway.close()


@pytest.fixture
async def unswept(
    flushed_redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """What it does not find by other ways than the sweep, it does not find."""
    monkeypatch.setattr(replies_module, "SWEEP_S", 60)
    gateway = Gateway(flushed_redis_url)
    gateway.replies.start()
    await until(lambda: connected(gateway))
    yield gateway
    await gateway.close()


@pytest.fixture
def own_server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
async def own_gateway(own_server: Server) -> AsyncIterator[Gateway]:
    """On a server that the test may stop."""
    gateway = Gateway(own_server.url)
    gateway.replies.start()
    yield gateway
    await gateway.close()


async def test_an_image_becomes_an_entry_and_its_result_the_answer(
    gateway: Gateway,
) -> None:
    waiting = gateway.submit(replace(JOB, top_k=3, thumbnail_px=320, owner="me"))
    entry = await gateway.entry()
    digest = hashlib.sha256(JOB.image).digest()
    request = entry.request
    assert entry.image == JOB.image
    assert (request.version, request.digest) == (wire.VERSION, digest)
    assert (request.top_k, request.thumbnail_px, request.owner) == (3, 320, "me")
    assert request.id.startswith(f"{keys.partition_of(digest)}-")
    assert 5000 <= request.expires_ms <= 6000
    await gateway.end(entry, entry.success())
    answer = await waiting
    assert answer.success == entry.success()
    assert 0 < answer.total_s < 5
    assert gateway.replies.waiting == 0


class Monitor(Link):
    """Hears every command that the server runs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[bytes] = []

    def deliver(self, reply: Any) -> None:
        if reply == b"OK":
            super().deliver(reply)
        else:
            self.lines.append(reply)

    def position(self, command: bytes, argument: str) -> int:
        """Where a command with this argument stands; -1 where it was not run."""
        found = (
            number
            for number, line in enumerate(self.lines)
            if b'"%s"' % command in line and argument.encode() in line
        )
        return next(found, -1)


async def test_it_subscribes_and_only_then_adds(
    gateway: Gateway, flushed_redis_url: str
) -> None:
    monitor = await Link.open(flushed_redis_url, make=Monitor)
    assert isinstance(monitor, Monitor)
    await monitor.call("MONITOR")
    waiting = gateway.submit()
    entry = await gateway.entry()
    await gateway.end(entry, entry.success())
    await waiting
    subscribed = monitor.position(b"SUBSCRIBE", entry.request.id)
    added = monitor.position(b"XADD", entry.request.id)
    monitor.close()
    assert 0 <= subscribed < added


async def test_a_result_whose_wake_up_was_lost_is_found(gateway: Gateway) -> None:
    waiting = gateway.submit()
    entry = await gateway.entry()
    await gateway.end(entry, entry.success(), tell=False)
    assert (await waiting).success == entry.success()


async def test_a_wake_up_of_anything_but_success_is_looked_up(unswept: Gateway) -> None:
    """The first end wins: what is published later is not the truth."""
    waiting = unswept.submit()
    entry = await unswept.entry()
    name = keys.result(entry.request.id)
    late = wire.encode(wire.Failure(1, entry.request.id, "", "dead-letter"))
    await unswept.link.call("SET", name, wire.encode(entry.success()))
    await unswept.link.call("PUBLISH", name, late)
    async with asyncio.timeout(3):  # before its deadline
        assert (await waiting).success == entry.success()


async def test_the_loss_of_the_subscription_loses_no_answer(unswept: Gateway) -> None:
    waiting = unswept.submit()
    entry = await unswept.entry()
    assert await unswept.link.call("CLIENT", "KILL", "TYPE", "pubsub") == 1
    await unswept.end(entry, entry.success(), tell=False)
    async with asyncio.timeout(3):  # before its deadline
        assert (await waiting).success == entry.success()


async def test_after_a_new_subscription_wake_ups_are_heard_again(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies_module, "SWEEP_S", 60)  # nobody else would find it
    waiting = gateway.submit()
    entry = await gateway.entry()
    name = keys.result(entry.request.id)
    await gateway.link.call("CLIENT", "KILL", "TYPE", "pubsub")

    async def heard() -> bool:
        return bool((await gateway.link.call("PUBSUB", "NUMSUB", name))[1])

    await until(heard)
    await gateway.end(entry, entry.success())
    assert (await waiting).success == entry.success()


@pytest.mark.parametrize(
    "kind", [errors.BrokenImage, errors.Undecodable, errors.DeadLetter]
)
async def test_a_failure_is_raised_as_what_it_was(
    gateway: Gateway, kind: type[errors.RequestError]
) -> None:
    waiting = gateway.submit()
    entry = await gateway.entry()
    await gateway.end(entry, wire.Failure(1, entry.request.id, "", kind.code))
    with pytest.raises(kind):
        await waiting


async def test_an_entry_that_expired_has_passed_its_deadline(gateway: Gateway) -> None:
    waiting = gateway.submit()
    entry = await gateway.entry()
    await gateway.end(entry, wire.Expired(1, entry.request.id, ""))
    with pytest.raises(errors.DeadlinePassed):
        await waiting


async def test_a_request_that_redis_lost_is_told_at_once(gateway: Gateway) -> None:
    waiting = gateway.submit(replace(JOB, deadline_s=60))
    await gateway.entry()
    await gateway.link.call("DEL", STREAM)
    with pytest.raises(errors.RequestLost):
        async with asyncio.timeout(5):
            await waiting


async def test_what_is_older_than_all_that_is_pending_is_lost(gateway: Gateway) -> None:
    """Entries are delivered in order: after a flush the stream is there again, with others in it."""
    waiting = gateway.submit(replace(JOB, deadline_s=60))
    entry = await gateway.entry()
    await gateway.link.call("XADD", STREAM, "*", "another", "entry")
    await gateway.link.call("XDEL", STREAM, entry.id)
    await gateway.link.call("XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM")
    group = ("GROUP", GROUP, "w", "STREAMS", STREAM, ">")
    assert await gateway.link.call("XREADGROUP", *group)
    with pytest.raises(errors.RequestLost):
        async with asyncio.timeout(5):
            await waiting


async def test_to_look_for_results_no_entry_is_read(
    gateway: Gateway, flushed_redis_url: str
) -> None:
    """Each holds a picture of up to 20 MB, and whoever fails or is late has a look."""
    await gateway.replies.first()  # who waits before it listens may have been lost
    monitor = await Link.open(flushed_redis_url, make=Monitor)
    assert isinstance(monitor, Monitor)
    await monitor.call("MONITOR")
    waiting = gateway.submit(replace(JOB, deadline_s=2))
    entry = await gateway.entry()
    with pytest.raises(errors.DeadlinePassed):
        await waiting
    looked = monitor.position(b"MGET", entry.request.id)
    ranges = [line for line in monitor.lines if b"XRANGE" in line]
    monitor.close()
    assert looked >= 0
    assert len(ranges) <= 1  # this test's own


async def test_what_redis_lost_among_others_is_found_after_a_reconnect(
    unswept: Gateway,
) -> None:
    """An older one is still there, so the entry itself is looked for."""
    await unswept.link.call("XADD", STREAM, "1-1", "another", "entry")
    waiting = unswept.submit(replace(JOB, deadline_s=60))
    entry = Entry.of((await unswept.rows(2))[1])
    await unswept.link.call("XDEL", STREAM, entry.id)
    await unswept.link.call("CLIENT", "KILL", "TYPE", "pubsub")
    with pytest.raises(errors.RequestLost):
        async with asyncio.timeout(5):
            await waiting


@pytest.mark.parametrize("delivered", [False, True])
async def test_a_client_that_leaves_withdraws_its_entry(
    gateway: Gateway, delivered: bool
) -> None:
    """Also one that a worker has read already."""
    leaving = gateway.submit()
    await gateway.link.call("XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM")
    await gateway.entry()
    if delivered:
        group = ("GROUP", GROUP, "w", "STREAMS", STREAM, ">")
        assert await gateway.link.call("XREADGROUP", *group)
    leaving.cancel()

    async def withdrawn() -> bool:
        return not await gateway.link.call("XLEN", STREAM)

    await until(withdrawn)
    await gateway.submitter.finish(5)
    assert (await gateway.link.call("XPENDING", STREAM, GROUP))[0] == 0
    assert gateway.replies.waiting == 0


async def test_a_client_that_leaves_before_its_entry_is_there_leaves_none(
    gateway: Gateway,
) -> None:
    for turns in range(8):  # of the event loop, before it leaves
        leaving = gateway.submit(replace(JOB, image=b"\xff\xd8\xff%d" % turns))
        for _ in range(turns):
            await asyncio.sleep(0)
        leaving.cancel()

    async def all_ended() -> bool:
        return not gateway.replies.waiting

    await gateway.submitter.finish(5)
    await until(all_ended)
    assert await gateway.link.call("XLEN", STREAM) == 0


async def test_equal_images_share_one_entry(gateway: Gateway) -> None:
    waiting = [gateway.submit() for _ in range(3)]
    entry = await gateway.entry()
    await gateway.end(entry, entry.success())
    answers = await asyncio.gather(*waiting)
    assert [answer.success for answer in answers] == [entry.success()] * 3
    info = await gateway.link.call("XINFO", "STREAM", STREAM)
    assert info[info.index(b"entries-added") + 1] == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(JOB, top_k=1),
        replace(JOB, thumbnail_px=320),
        replace(JOB, owner="another"),
        replace(JOB, image=JOB.image + b"!"),
        replace(JOB, deadline_s=20),
    ],
)
async def test_who_wants_something_else_has_an_entry_of_their_own(
    gateway: Gateway, other: Job
) -> None:
    """Also who would wait longer than the entry that is there."""
    gateway.submit()
    gateway.submit(other)
    first, second = await gateway.entries(2)
    assert first.request.id != second.request.id


async def test_lanes_are_streams(gateway: Gateway) -> None:
    gateway.submit()
    gateway.submit(replace(JOB, lane="bulk"))
    (first,) = await gateway.entries()
    (second,) = await gateway.entries(1, keys.requests("m", "bulk"))
    assert first.request.digest == second.request.digest


async def test_who_asks_for_a_map_waits_apart(gateway: Gateway) -> None:
    """And shares with those alone who want the same one."""
    gateway.submit()
    for rank in (1, 1, 2):
        gateway.submit(replace(JOB, explain=rank))
    stream = keys.explanations("m")
    first, second = await gateway.entries(2, stream)
    assert [first.request.explain, second.request.explain] == [1, 2]
    assert (await gateway.entry()).request.explain == 0


async def test_without_a_cache_nothing_is_shared(flushed_redis_url: str) -> None:
    gateway = Gateway(flushed_redis_url, share=False)
    gateway.replies.start()
    gateway.submit()
    gateway.submit()
    assert len(await gateway.entries(2)) == 2
    await gateway.close()


async def test_who_stays_is_not_hurt_by_who_leaves(gateway: Gateway) -> None:
    leader = gateway.submit()
    entry = await gateway.entry()
    rider = gateway.submit()
    await asyncio.sleep(0)  # it has boarded
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert (await gateway.entry()).id == entry.id
    await gateway.end(entry, entry.success())
    assert (await rider).success == entry.success()


async def test_after_all_have_left_the_next_starts_anew(gateway: Gateway) -> None:
    leaving = gateway.submit()
    entry = await gateway.entry()
    leaving.cancel()
    await asyncio.wait({leaving})
    waiting = gateway.submit()

    async def anew() -> bool:
        found = await gateway.entries()
        return [one.id for one in found] != [entry.id] and len(found) == 1

    await until(anew)
    second = await gateway.entry()
    await gateway.end(second, second.success())
    assert (await waiting).success == second.success()


async def test_past_its_deadline_a_request_is_given_up_and_withdrawn(
    gateway: Gateway,
) -> None:
    waiting = gateway.submit(replace(JOB, deadline_s=0.2))
    await gateway.entry()
    with pytest.raises(errors.DeadlinePassed):
        await waiting

    async def withdrawn() -> bool:
        return not await gateway.link.call("XLEN", STREAM)

    await until(withdrawn)


async def test_who_comes_later_has_a_deadline_of_their_own(gateway: Gateway) -> None:
    """Sharing an entry with one who gives up first costs nobody their answer."""
    early = gateway.submit(replace(JOB, deadline_s=0.3))
    await gateway.entry()
    late = gateway.submit(replace(JOB, deadline_s=8))
    with pytest.raises(errors.DeadlinePassed):
        await early
    await asyncio.wait({late}, timeout=submit_module.SHARING_S + 0.3)
    assert not late.done()
    for entry in await gateway.entries():
        await gateway.end(entry, entry.success())
    assert (await late).success.predictions


async def test_a_result_at_the_last_moment_is_read(
    flushed_redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the entry's own deadline, what Redis says then counts."""
    monkeypatch.setattr(replies_module, "SWEEP_S", 60)
    monkeypatch.setattr(submit_module, "SHARING_S", -4.5)  # it expires before its rider
    gateway = Gateway(flushed_redis_url)
    gateway.replies.start()
    waiting = gateway.submit()
    entry = await gateway.entry()
    await gateway.end(entry, entry.success(), tell=False)
    assert (await waiting).success == entry.success()
    await gateway.close()


@pytest.mark.parametrize("keep", [False, True])
async def test_a_result_whose_wake_up_was_lost_is_read_at_its_riders_deadline(
    unswept: Gateway, keep: bool
) -> None:
    """The entry itself may live longer, for others who come later."""
    waiting = unswept.submit(replace(JOB, deadline_s=0.3), keep=keep)
    entry = await unswept.entry()
    await unswept.end(entry, entry.success(), tell=False)
    assert (await waiting).success == entry.success()


async def test_a_request_that_is_kept_goes_on_past_the_deadline(
    gateway: Gateway,
) -> None:
    """That it lives is written down before anybody is told its id."""
    waiting = gateway.submit(replace(JOB, deadline_s=0.2, owner="me"), keep=True)
    entry = await gateway.entry()
    with pytest.raises(StillRunning) as caught:
        await waiting
    assert caught.value.id == entry.request.id
    pending = keys.pending(entry.request.id)
    known = wire.read_pending(await gateway.link.call("GET", pending))
    assert (known.owner, known.lane) == ("me", "interactive")
    assert 0 < await gateway.link.call("PTTL", pending) <= 30_000
    assert 29_000 <= entry.request.expires_ms <= 30_000
    await gateway.submitter.finish(5)  # nobody waits here any more, and yet:
    assert (await gateway.entry()).id == entry.id


async def test_of_two_who_keep_a_request_none_takes_it_back(gateway: Gateway) -> None:
    """One was told the id; that the other leaves does not withdraw the entry."""
    first = gateway.submit(replace(JOB, deadline_s=0.2), keep=True)
    entry = await gateway.entry()
    second = gateway.submit(replace(JOB, deadline_s=20), keep=True)
    with pytest.raises(StillRunning):
        await first
    second.cancel()
    await gateway.submitter.finish(5)
    assert (await gateway.entry()).id == entry.id


async def test_no_id_is_told_before_its_entry_is_there(gateway: Gateway) -> None:
    """The subscription may take longer to be confirmed than the client wants to wait."""
    await until(lambda: connected(gateway))
    held = gateway.replies._channels._flush
    gateway.replies._channels._spare[0].clear()
    gateway.replies._channels._flush = lambda: None  # type: ignore[method-assign]
    waiting = gateway.submit(replace(JOB, deadline_s=0.05), keep=True)
    await asyncio.wait({waiting}, timeout=0.3)
    assert await gateway.link.call("XLEN", STREAM) == 0
    assert not waiting.done()
    held()
    with pytest.raises(StillRunning) as caught:
        await waiting
    assert (await gateway.entry()).request.id == caught.value.id


async def test_who_keeps_a_request_may_leave_before_being_told(
    gateway: Gateway,
) -> None:
    leaving = gateway.submit(keep=True)
    await gateway.entry()
    leaving.cancel()

    async def withdrawn() -> bool:
        return not await gateway.link.call("XLEN", STREAM)

    await until(withdrawn)


async def test_without_room_for_the_entry_nothing_is_accepted(
    own_gateway: Gateway,
) -> None:
    await own_gateway.link.call("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(errors.BrokerFull):
        await own_gateway.submit()


async def test_a_subscription_that_falls_silent_is_opened_anew(
    own_server: Server, own_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-open connections tell nothing but by a missing PONG."""
    monkeypatch.setattr(replies_module, "PING_S", 0.05)
    monkeypatch.setattr(replies_module, "PONG_S", 0.3)
    await until(lambda: connected(own_gateway))
    own_server.process.send_signal(signal.SIGSTOP)
    try:

        async def noticed() -> bool:
            return not own_gateway.replies.connected

        await until(noticed)
    finally:
        own_server.process.send_signal(signal.SIGCONT)
    await until(lambda: connected(own_gateway))


@pytest.fixture
async def no_writes(
    own_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Awaitable[Any]]:
    """Redis takes subscriptions, but an XADD gets no answer; call it to end that."""
    await own_gateway.submitter.finish(0)
    await until(lambda: connected(own_gateway))
    await own_gateway.link.call("CLIENT", "PAUSE", 60_000, "WRITE")
    monkeypatch.setattr(connections, "REPLY_TIMEOUT_S", 0.1)
    return lambda: own_gateway.link.call("CLIENT", "UNPAUSE")


async def connected(gateway: Gateway) -> bool:
    return gateway.replies.connected


async def test_an_entry_of_unknown_fate_is_given_up_and_never_added_twice(
    own_gateway: Gateway,
    no_writes: Callable[[], Awaitable[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(submit_module, "UNKNOWN_FATE_S", 0.1)
    with pytest.raises(errors.BrokerAway):
        await own_gateway.submit()
    await no_writes()
    assert await own_gateway.link.call("XLEN", STREAM) <= 1


async def test_who_leaves_while_its_id_is_written_down_leaves_no_mark(
    own_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    marking = asyncio.Event()
    pending = submit_module.entries.pending

    def noticed(*arguments: Any) -> Any:
        marking.set()
        return pending(*arguments)

    monkeypatch.setattr(submit_module.entries, "pending", noticed)
    leaving = own_gateway.submit(replace(JOB, deadline_s=0.2), keep=True)
    await own_gateway.entry()
    await own_gateway.link.call("CLIENT", "PAUSE", 60_000, "WRITE")
    await marking.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await own_gateway.link.call("CLIENT", "UNPAUSE")
    await own_gateway.submitter.finish(5)
    assert await own_gateway.link.call("KEYS", "pictor:*pending*") == []
    assert await own_gateway.link.call("XLEN", STREAM) == 0


async def test_an_entry_of_unknown_fate_is_promised_to_nobody(
    own_gateway: Gateway,
    no_writes: Callable[[], Awaitable[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither while Redis is silent, nor when it answers again before that time is up."""
    monkeypatch.setattr(submit_module, "UNKNOWN_FATE_S", 1)
    waiting = own_gateway.submit(replace(JOB, deadline_s=0.6), keep=True)

    async def subscribed() -> bool:
        return bool(await own_gateway.link.call("PUBSUB", "CHANNELS", "pictor:{*"))

    await until(subscribed)
    await asyncio.wait({waiting}, timeout=0.3)  # past the time for an answer to XADD
    await no_writes()
    with pytest.raises(errors.BrokerAway):
        await waiting


async def test_an_entry_of_unknown_fate_may_still_be_answered(
    own_gateway: Gateway, no_writes: Callable[[], Awaitable[Any]]
) -> None:
    """It was added, only the answer to XADD was lost."""
    waiting = own_gateway.submit()
    await asyncio.wait({waiting}, timeout=0.2)  # past the time for an answer to XADD
    (channel,) = own_gateway.replies._waiters
    request_id = channel.decode().rpartition(":")[2]
    await no_writes()
    success = wire.Success(1, request_id, "", "m", "d", ())
    await own_gateway.link.call("PUBLISH", channel, wire.encode(success))
    assert (await waiting).success == success


async def test_without_redis_it_is_away(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies_module, "CONFIRM_S", 0.1)
    own_server.kill()
    gateway = Gateway(own_server.url)
    gateway.replies.start()
    with pytest.raises(errors.BrokerAway):
        await gateway.submit()
    assert gateway.replies.waiting == 0
    await gateway.close()


async def test_a_result_that_cannot_be_read_harms_no_other_request(
    gateway: Gateway,
) -> None:
    """Workers are upgraded first, so a result may be of a kind that is unknown here."""
    hurt = gateway.submit(replace(JOB, deadline_s=20))
    bad = await gateway.entry()
    name = keys.result(bad.request.id)
    await gateway.link.call("SET", name, b"\xc1")
    await gateway.link.call("PUBLISH", name, b"\xc1")
    waiting = gateway.submit(replace(JOB, image=b"\xff\xd8\xff other"))
    entry = (await gateway.entries(2))[1]
    await gateway.end(entry, entry.success(), tell=False)
    assert (await waiting).success == entry.success()
    hurt.cancel()
