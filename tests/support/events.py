"""A reader of ``GET /v1/live``: server-sent events, until something is seen."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

PATIENCE_S = 30.0

Sample = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """One of them."""

    id: int
    name: str
    data: Any


class Stream:
    """An open stream.

    Attributes:
        seen: samples, those of the history left out.
    """

    def __init__(self, answer: httpx.Response) -> None:
        self.headers = answer.headers
        self.seen: list[Sample] = []
        self._lines = answer.iter_lines()

    def events(self) -> Iterator[Event]:
        """All events up to the end of the stream."""
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
            elif not line and "data" in fields:
                data = json.loads(fields["data"])
                event = Event(int(fields["id"]), fields["event"], data)
                fields = {}
                if event.name == "sample":
                    self.seen.append(data)
                yield event

    def event(self) -> Event:
        """The next event."""
        return next(self.events())

    def until(
        self, wanted: Callable[[list[Sample]], object], within_s: float = PATIENCE_S
    ) -> list[Sample]:
        """Reads on until what has been seen is as wanted; all of that."""
        give_up_at = time.monotonic() + within_s
        for event in self.events():
            if event.name == "sample" and wanted(self.seen):
                return self.seen
            if time.monotonic() > give_up_at:
                break
        raise AssertionError(f"{len(self.seen)} samples seen: {self.seen[-5:]}")


@contextlib.contextmanager
def watching(url: str, **headers: str) -> Iterator[Stream]:
    """An open stream of a running system; without a sample for long it fails."""
    with httpx.stream("GET", f"{url}/v1/live", headers=headers, timeout=15) as answer:
        answer.raise_for_status()
        yield Stream(answer)
