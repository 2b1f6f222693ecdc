"""Reports by those who use the service: kept in a stream, the oldest make way.

Who stores one is given a token, the entry's id and a secret; only the secret's hash is kept. With it a
report can be taken back, and its picture added (`gateway.kept`).
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from common import keys, logs, wire
from common.connections import Keeper

KEPT: Final = 10_000  # reports, at most 10.1 KB each; the oldest go first
SHOWN: Final = 20
LONGEST_TEXT: Final = 2000  # characters
LONGEST_LABEL: Final = 200
CHUNK: Final = 500  # reports read at once
VERDICTS: Final = ("right", "wrong")
_TOKEN: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,20})-([0-9a-f]{32})")
_MOST: Final = 2**64  # either part of an entry's id is below that

log = logs.get(__name__)


@dataclass(frozen=True)
class Entry:
    """A report and the id of its entry, which says when."""

    id: str
    report: wire.Report

    @property
    def when(self) -> str:
        """ISO 8601, UTC, to the second."""
        seconds = int(self.id.partition("-")[0]) / 1000
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


async def store(link: Keeper, report: wire.Report) -> str:
    """Keeps a report and returns the token for it; raises as `Keeper.calls` does."""
    secret = secrets.token_hex(16)
    told = msgspec.structs.replace(report, secret=_hashed(secret))
    entry_id: bytes = await link.call(
        "XADD", keys.FEEDBACK, "MAXLEN", "~", KEPT, "*", "r", wire.encode(told)
    )
    return f"{entry_id.decode()}-{secret}"


async def find(link: Keeper, token: str) -> Entry | None:
    """The report that a token is for; None also where the secret is not its own."""
    match = _TOKEN.fullmatch(token)
    if match is None or int(match[1]) >= _MOST or int(match[2]) >= _MOST:
        return None
    entry_id = f"{match[1]}-{match[2]}"
    found = _read(await link.call("XRANGE", keys.FEEDBACK, entry_id, entry_id))
    if not found or not hmac.compare_digest(found[0].report.secret, _hashed(match[3])):
        return None
    return found[0]


async def there(link: Keeper, entry: Entry) -> bool:
    """Whether nobody has taken it back."""
    return bool(await link.call("XRANGE", keys.FEEDBACK, entry.id, entry.id))


async def withdraw(link: Keeper, entry: Entry) -> bool:
    """Takes a report back; whether it was there."""
    return bool(await link.call("XDEL", keys.FEEDBACK, entry.id))


async def recent(link: Keeper) -> tuple[list[Entry], int]:
    """The newest reports, newest first, and how many there are; raises as `Keeper.calls` does."""
    entries, total = await link.calls(
        (
            ("XREVRANGE", keys.FEEDBACK, "+", "-", "COUNT", SHOWN),
            ("XLEN", keys.FEEDBACK),
        )
    )
    return _read(entries), total


async def walk(
    link: Keeper, *, newest_first: bool = False
) -> AsyncIterator[list[Entry]]:
    """All reports, by chunks, so that neither memory nor the loop is taken for long."""
    command, bounds = (
        ("XREVRANGE", ["+", "-"]) if newest_first else ("XRANGE", ["-", "+"])
    )
    while True:
        entries = await link.call(command, keys.FEEDBACK, *bounds, "COUNT", CHUNK)
        if entries:
            yield _read(entries)
        if len(entries) < CHUNK:
            return
        bounds[0] = "(" + entries[-1][0].decode()


def in_words(report: wire.Report) -> str:
    """What a report says, also when its writer left the text empty."""
    if report.text:
        return report.text
    if report.label:
        return f"It is really: {report.label}"
    return f"Reported as {report.verdict or 'remarkable'}."


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _read(entries: Sequence[Any]) -> list[Entry]:
    found = []
    for entry_id, fields in entries:
        try:
            report = wire.read_report(fields[fields.index(b"r") + 1])
        except (wire.WireError, ValueError):
            log.warning("a report that cannot be read", entry=entry_id.decode())
            continue
        found.append(Entry(entry_id.decode(), report))
    return found
