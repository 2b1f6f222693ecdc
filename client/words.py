"""Numbers and names for people."""

from typing import Final

UNITS: Final = ("bytes", "KB", "MB", "GB", "TB")


def percent(share: float) -> str:
    """A share in words; none that is there is shown as nothing, none that lacks something as all."""
    if 0 < share < 0.001:
        return "< 0.1\N{NO-BREAK SPACE}%"
    if 0.999 < share < 1:
        return "> 99.9\N{NO-BREAK SPACE}%"
    return f"{share * 100:.1f}\N{NO-BREAK SPACE}%"


def size(count: float) -> str:
    """Bytes in the unit that suits them."""
    step = 0
    while count >= 1000 and step < len(UNITS) - 1:
        count /= 1000
        step += 1
    return f"{count:.0f} {UNITS[step]}" if step == 0 else f"{count:.3g} {UNITS[step]}"


def printable(text: str) -> str:
    """A text in one line, with nothing in it that a terminal would obey."""
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
