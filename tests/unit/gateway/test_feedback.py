"""Reports are kept, and the newest are shown."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from common import keys, wire
from common.connections import Keeper
from gateway import feedback


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


async def test_without_reports_there_is_nothing_to_show(link: Keeper) -> None:
    assert await feedback.recent(link) == ([], 0)


async def test_the_newest_come_first_with_their_time(link: Keeper) -> None:
    for number in range(feedback.SHOWN + 5):
        await feedback.store(link, wire.Report(1, answered="cat", text=str(number)))
    shown, total = await feedback.recent(link)
    assert total == feedback.SHOWN + 5
    assert [one.report for one in shown] == [str(n) for n in range(24, 4, -1)]
    assert shown[0].label == "cat"
    age = datetime.now(UTC) - datetime.fromisoformat(shown[0].when)
    assert timedelta(0) <= age < timedelta(minutes=1)


async def test_a_report_that_cannot_be_read_is_passed_over(link: Keeper) -> None:
    await feedback.store(link, wire.Report(1, text="good"))
    await link.call("XADD", keys.FEEDBACK, "*", "r", b"\xc1")
    await link.call("XADD", keys.FEEDBACK, "*", "other", "x")
    shown, total = await feedback.recent(link)
    assert [one.report for one in shown] == ["good"]
    assert total == 3
