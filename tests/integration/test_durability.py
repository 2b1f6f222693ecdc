"""What each PICTOR_DURABILITY keeps: the embedded server as it is started, killed and torn for real."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench import crashes
from bench.adding import IMAGE_BYTES, STREAM, add, cost
from bench.disk import passing
from bench.server import Server, info
from common.connections import Keeper

MEMORY_BOUND = 1.3  # bytes of Redis' memory a byte of a queued image
POSTPONED_MS = (
    2000  # the longest that everysec holds back a write while the disk is busy
)


@pytest.fixture
async def link(tmp_path: Path) -> AsyncIterator[Keeper]:
    """A connection to the embedded server with its default settings."""
    server = Server(tmp_path, "everysec")
    await server.start()
    link = Keeper(server.url)
    yield link
    await link.close()
    await server.stop()


async def test_always_loses_nothing_to_kill_9() -> None:
    for _ in range(3):
        killed = await crashes.killed("always")
        assert killed.acknowledged > 0
        assert killed.missing == 0


@pytest.mark.alone
async def test_everysec_loses_at_most_what_the_disk_was_late_with() -> None:
    killed = await crashes.killed("everysec")
    assert killed.acknowledged > 0
    assert killed.window_ms <= POSTPONED_MS


async def test_none_loses_all() -> None:
    """So what the two others keep is not kept by chance."""
    killed = await crashes.killed("none")
    assert killed.missing == killed.acknowledged > 0


async def test_a_torn_end_costs_the_entries_in_it_and_no_other() -> None:
    torn = await crashes.torn()
    assert torn.gapless
    assert torn.entries > torn.kept >= torn.entries - torn.bytes // IMAGE_BYTES - 1


async def test_a_queued_image_costs_little_more_than_its_size(link: Keeper) -> None:
    assert 1 <= (await cost(link)).memory <= MEMORY_BOUND


async def test_an_image_taken_off_gives_its_memory_back_at_once(link: Keeper) -> None:
    """Also while its neighbours wait: each has a node of the stream of its own."""

    async def used() -> int:
        return int((await info(link, "memory"))["used_memory"])

    before = await used()
    await add(link, 100, 8)
    whole = await used() - before
    entries = await link.call("XRANGE", STREAM, "-", "+")
    for entry_id, _ in entries[::2]:
        await link.call("XDEL", STREAM, entry_id)
    assert await used() - before == pytest.approx(whole / 2, rel=0.05)


async def test_images_that_pass_leave_the_disk_as_it_was() -> None:
    """330 MB pass; the file is rewritten at 64 MB, and while that runs what comes is added."""
    passed = await passing("everysec", 3000)
    assert passed.rewrites >= 2
    assert passed.peak_bytes < 3000 * IMAGE_BYTES
