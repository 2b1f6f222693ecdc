"""A stream's entry as a worker holds it."""

from collections.abc import Sequence
from dataclasses import dataclass

from common import wire


@dataclass(frozen=True)
class Entry:
    """A request read from a stream.

    Attributes:
        stream: where it was read.
        id: the entry's id, ``<ms of Redis' clock>-<n>``.
        request: its header.
        image: the image file, as its sender sent it.
    """

    stream: str
    id: bytes
    request: wire.Request
    image: bytes

    @property
    def arrived_ms(self) -> int:
        """When it was added, in milliseconds of Redis' clock."""
        return int(self.id.partition(b"-")[0])

    def expired(self, now_ms: float) -> bool:
        """Whether its deadline has passed at `now_ms` of Redis' clock."""
        return now_ms >= self.arrived_ms + self.request.expires_ms


def read_entry(stream: str, entry_id: bytes, fields: Sequence[bytes]) -> Entry:
    """An entry from the names and values of a stream's reply.

    Raises:
        wire.WireError: it is not one of ours.
    """
    if len(fields) % 2:
        raise wire.WireError("entry with a name that has no value")
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    try:
        return Entry(stream, entry_id, wire.read_request(named[b"h"]), named[b"img"])
    except KeyError as error:
        raise wire.WireError(f"entry without field {error}") from error


def equal_together(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries with the same image and the same thumbnail together, in order of appearance."""
    groups: dict[tuple[bytes, int], list[Entry]] = {}
    for entry in entries:
        key = (entry.request.digest, entry.request.thumbnail_px)
        groups.setdefault(key, []).append(entry)
    return list(groups.values())
