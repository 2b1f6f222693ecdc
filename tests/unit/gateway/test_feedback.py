"""Reports are kept, the newest are shown, and who wrote one can take it back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import keys, wire
from common.connections import Keeper
from common.errors import SettingsError
from common.settings import MEGABYTE, Settings
from gateway import feedback
from gateway.admission import MEMORY_SHARES
from gateway.feedback import Entry


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


async def stored(link: Keeper, **fields: object) -> str:
    return await feedback.store(link, wire.Report(1, **fields))  # type: ignore[arg-type]


async def walked(link: Keeper, *, newest_first: bool) -> list[str]:
    chunks = feedback.walk(link, newest_first=newest_first)
    return [entry.report.text async for chunk in chunks for entry in chunk]


async def test_without_reports_there_is_nothing_to_show(link: Keeper) -> None:
    assert await feedback.recent(link) == ([], 0)
    assert await walked(link, newest_first=False) == []


async def test_the_newest_come_first_with_their_time(link: Keeper) -> None:
    for number in range(feedback.SHOWN + 5):
        await stored(link, answered="cat", text=str(number))
    shown, total = await feedback.recent(link)
    assert total == feedback.SHOWN + 5
    assert [one.report.text for one in shown] == [str(n) for n in range(24, 4, -1)]
    assert shown[0].report.answered == "cat"
    age = datetime.now(UTC) - datetime.fromisoformat(shown[0].when)
    assert timedelta(0) <= age < timedelta(minutes=1)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
async def test_all_are_met_once_whichever_way(
    link: Keeper, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(feedback, "CHUNK", chunk)
    for number in range(7):
        await stored(link, text=str(number))
    assert await walked(link, newest_first=False) == list("0123456")
    assert await walked(link, newest_first=True) == list("6543210")


async def test_a_report_that_cannot_be_read_is_passed_over(link: Keeper) -> None:
    await stored(link, text="good")
    await link.call("XADD", keys.FEEDBACK, "*", "r", b"\xc1")
    await link.call("XADD", keys.FEEDBACK, "*", "other", "x")
    shown, total = await feedback.recent(link)
    assert [one.report.text for one in shown] == ["good"]
    assert total == 3


async def test_a_report_of_the_version_before_is_read(link: Keeper) -> None:
    """It ends with its text."""
    old = wire.encode([1, "0-1", "wrong", "tabby", "tiger_cat", "no"])
    await link.call("XADD", keys.FEEDBACK, "*", "r", old)
    entry = (await feedback.recent(link))[0][0]
    assert entry.report == wire.Report(1, "0-1", "wrong", "tabby", "tiger_cat", "no")
    assert await feedback.find(link, f"{entry.id}-{'0' * 32}") is None


async def test_its_token_alone_finds_a_report(link: Keeper) -> None:
    token, other = await stored(link, text="a"), await stored(link, text="b")
    entry = await feedback.find(link, token)
    assert entry is not None
    assert entry.report.text == "a"
    assert token.startswith(f"{entry.id}-")
    secret = token.rpartition("-")[2]
    assert secret not in repr(entry)
    mixed = f"{entry.id}-{other.rpartition('-')[2]}"
    last = "0" if token[-1] != "0" else "1"
    for wrong in (mixed, token[:-1], token[:-1] + last, f"{token}\n", token.upper()):
        if wrong != token:
            assert await feedback.find(link, wrong) is None


async def test_what_was_taken_back_is_gone(link: Keeper) -> None:
    token = await stored(link, text="a")
    entry = await feedback.find(link, token)
    assert entry is not None
    assert await feedback.there(link, entry)
    assert await feedback.withdraw(link, entry)
    assert not await feedback.there(link, entry)
    assert not await feedback.withdraw(link, entry)
    assert await feedback.find(link, token) is None
    assert await feedback.recent(link) == ([], 0)


@pytest.mark.parametrize(
    "token",
    [
        *("", "-", "1-0", f"1-0-{'g' * 32}", f"-1-0-{'a' * 32}", f"+-+-{'a' * 32}"),
        *(f"{2**64}-0-{'a' * 32}", f"1-{10**20 - 1}-{'a' * 32}"),
        *(f"{'9' * 30}-0-{'a' * 32}", f"1-0-{'a' * 33}", f"١-0-{'a' * 32}"),
    ],
)
async def test_what_is_no_token_is_not_even_asked_about(token: str) -> None:
    """There is no Redis here."""
    assert await feedback.find(Keeper("unix:///nowhere"), token) is None


@given(st.text())
def test_no_text_is_a_token(text: str) -> None:
    assert feedback._TOKEN.fullmatch(text) is None


def test_a_time_is_that_of_its_entry() -> None:
    assert Entry("1700000000999-3", wire.Report(1)).when == "2023-11-14T22:13:20+00:00"


def test_reports_alone_never_end_admission() -> None:
    """As many and as long as they may be, where Redis may have the least memory."""
    longest = wire.Report(
        wire.VERSION,
        request_id="0" * 64,
        verdict="wrong",
        answered="\U0001f600" * feedback.LONGEST_LABEL,
        label="\U0001f600" * feedback.LONGEST_LABEL,
        text="\U0001f600" * feedback.LONGEST_TEXT,
        score=0.5,
        model_digest="0" * 64,
        digest=bytes(32),
        secret=bytes(32),
    )
    with pytest.raises(SettingsError) as refused:
        Settings.parse({"PICTOR_REDIS_MAXMEMORY_MB": "1"})
    least = int(str(refused.value).split()[-1]) * MEGABYTE
    assert (
        feedback.KEPT * len(wire.encode(longest))
        < MEMORY_SHARES["interactive"] * least * 0.6
    )
