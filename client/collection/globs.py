"""The names that a glob stands for.

`glob` follows links to folders in ``**``: files are found again and again, and with two links in a loop
it does not end. Here ``**`` stands for folders, not for links to them, and not for hidden ones.
"""

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

DEEP: Final = "**"


def matches(pattern: str) -> Iterator[str]:
    """Files and folders in no order; with two ``**`` some of them several times."""
    before, deep, after = _parted(pattern)
    if not deep:
        yield from glob.iglob(pattern)  # noqa: PTH207 - as it was written, with ".."
        return
    for top in glob.iglob(before) if before else [""]:  # noqa: PTH207
        if not after and Path(top).is_dir():  # who goes through it finds all below
            yield top or "."
        elif after:
            for folder in _below(top):
                for match in matches(glob.escape(folder) + after):
                    path = Path(match)
                    if not (path.is_symlink() and path.is_dir()):
                        yield match


def _parted(pattern: str) -> tuple[str, bool, str]:
    """A glob before its first ``**``, whether it has one, and behind that."""
    parts = pattern.split("/")
    if DEEP not in parts:
        return pattern, False, ""
    at = parts.index(DEEP)
    behind = [one for one in parts[at + 1 :] if one]
    while behind[:1] == [DEEP]:
        del behind[0]
    before = "/".join(parts[:at])
    return before or "/" * (at > 0), True, "/".join(behind)


def _below(top: str) -> Iterator[str]:
    """A folder and all within, however deep, each with a slash at its end; the one here is empty."""
    stack = [f"{top}/" if top and not top.endswith("/") else top]
    while stack:
        folder = stack.pop()
        yield folder
        try:
            with os.scandir(folder or ".") as entries:
                stack += [
                    f"{folder}{one.name}/"
                    for one in entries
                    if not one.name.startswith(".")
                    and one.is_dir(follow_symlinks=False)
                ]
        except OSError:  # forbidden, gone, or no folder
            continue
