"""Reports by those who use the service: kept in a stream, the newest shown on a page."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from common import keys, logs, wire
from common.connections import Keeper

KEPT: Final = 10_000  # reports, at most 9.1 KB each; the oldest go first
SHOWN: Final = 20
LONGEST_TEXT: Final = 2000  # characters
LONGEST_LABEL: Final = 200

log = logs.get(__name__)


@dataclass(frozen=True)
class Shown:
    """A report as the page shows it; ``when`` is ISO 8601, UTC."""

    report: str
    label: str
    when: str


async def store(link: Keeper, report: wire.Report) -> None:
    """Keeps a report; raises as `Keeper.calls` does."""
    await link.call(
        "XADD", keys.FEEDBACK, "MAXLEN", "~", KEPT, "*", "r", wire.encode(report)
    )


async def recent(link: Keeper) -> tuple[list[Shown], int]:
    """The newest reports, newest first, and how many there are; raises as `Keeper.calls` does."""
    entries, total = await link.calls(
        (
            ("XREVRANGE", keys.FEEDBACK, "+", "-", "COUNT", SHOWN),
            ("XLEN", keys.FEEDBACK),
        )
    )
    shown = []
    for entry_id, fields in entries:
        try:
            report = wire.read_report(fields[fields.index(b"r") + 1])
        except (wire.WireError, ValueError):
            log.warning("a report that cannot be read", entry=entry_id.decode())
            continue
        seconds = int(entry_id.partition(b"-")[0]) / 1000
        when = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
        shown.append(Shown(in_words(report), report.answered, when))
    return shown, total


def in_words(report: wire.Report) -> str:
    """What a report says, also when its writer left the text empty."""
    if report.text:
        return report.text
    if report.label:
        return f"It is really: {report.label}"
    return f"Reported as {report.verdict or 'remarkable'}."
