"""What a gateway process has under way, its bounds, and whether it is about to leave."""

import asyncio
from dataclasses import dataclass, field


@dataclass
class Traffic:
    """One object a process; `gateway.limits` counts, `gateway.server` waits for the end.

    Attributes:
        most_bytes: of bodies, received and not yet answered.
        most_requests: requests that may be under way.
        received: bytes of bodies held now.
        requests: requests under way now.
        leaving: set when this process is about to stop: `/readyz` says no, answers close their
            connections, and what would go on for ever (an event stream) ends.
        quiet: set while no request is under way.
    """

    most_bytes: int
    most_requests: int
    received: int = 0
    requests: int = 0
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    quiet: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.quiet.set()

    def enter(self) -> None:
        """One request more."""
        self.requests += 1
        self.quiet.clear()

    def leave(self) -> None:
        """One less."""
        self.requests -= 1
        if not self.requests:
            self.quiet.set()
