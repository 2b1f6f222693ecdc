"""A connection in subscriber mode: what arrives on it is pushed, not answered."""

from collections.abc import Callable
from typing import Any, Final

from common.link import Link

PUSHES: Final = (b"message", b"subscribe", b"unsubscribe", b"pong")


class Subscription(Link):
    """A link in subscriber mode: what arrives is pushed, not answered."""

    def __init__(self, pushed: Callable[[list[Any]], None]) -> None:
        super().__init__()
        self._pushed = pushed

    def deliver(self, reply: Any) -> None:
        if isinstance(reply, list) and reply and reply[0] in PUSHES:
            self._pushed(reply)
        else:
            super().deliver(reply)
