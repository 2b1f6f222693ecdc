"""Reports are kept, and the newest are shown."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from common import keys, wire
from common.connections import Keeper
from common.errors import SettingsError
from common.settings import MEGABYTE, Settings
from gateway import feedback
from gateway.admission import MEMORY_SHARES


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


def test_reports_alone_never_end_admission() -> None:
    """As many and as long as they may be, where Redis may have the least memory."""
    longest = wire.Report(
        wire.VERSION,
        request_id="\U0001f600" * 64,
        verdict="wrong",
        answered="\U0001f600" * feedback.LONGEST_LABEL,
        text="\U0001f600" * feedback.LONGEST_TEXT,
    )
    with pytest.raises(SettingsError) as refused:
        Settings.parse({"PICTOR_REDIS_MAXMEMORY_MB": "1"})
    least = int(str(refused.value).split()[-1]) * MEGABYTE
    assert (
        feedback.KEPT * len(wire.encode(longest))
        < MEMORY_SHARES["interactive"] * least * 0.6
    )
