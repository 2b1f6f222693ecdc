"""What Pictor may do in Redis: the rules of ``redis.acl``, as a line that Redis can load."""

import re
from pathlib import Path
from typing import Final

TEMPLATE: Final = Path(__file__).with_name("redis.acl")


def line(proof: str = "nopass") -> str:
    """The user's line for an ACL file.

    Args:
        proof: ``nopass``, ``>`` and the password, or ``#`` and its SHA-256 in hex.
    """
    lines = TEMPLATE.read_text().splitlines()
    return " ".join([*(one for one in lines if not one.startswith("#")), proof])


def granted() -> frozenset[str]:
    """The commands that are granted, in lower case, a subcommand behind a ``|``."""
    return frozenset(re.findall(r" \+(\S+)", line()))
