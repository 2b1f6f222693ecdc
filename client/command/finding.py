"""What ``pictor doctor`` finds."""

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        state: whether it will do.
        found: what there is.
        advice: what to do; empty where nothing is.
    """

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""

    def told(self) -> str:
        """For people: a line, and a second one with the advice."""
        line = f"{self.state:<4}  {self.name:<8}  {self.found}"
        return f"{line}\n{'':16}{self.advice}" if self.advice else line
