"""Where a Pictor's processor time goes: by what each process, and of workers each thread, is for."""

import contextlib
from collections import Counter
from typing import Final

import psutil

from bench.interleave import tree

# What a command line holds, and what such a process is; the first that fits.
KINDS: Final = (
    ("inference.decoder_process", "decoders"),
    ("inference worker", "workers"),
    ("gateway serve", "gateway"),
    ("valkey", "redis"),
)
OTHERS: Final = "supervisors"


def by_part(pids: list[int]) -> dict[str, float]:
    """Processor seconds of these processes and all below them until now.

    Returns:
        By part; of workers the engine's threads and the event loop's apart.
    """
    spent: Counter[str] = Counter()
    for process in tree(pids):
        with contextlib.suppress(psutil.NoSuchProcess):
            line = " ".join(process.cmdline())
            kind = next((kind for text, kind in KINDS if text in line), OTHERS)
            for thread in process.threads():
                part = kind
                if kind == "workers":
                    part = "workers" if thread.id == process.pid else "engines"
                spent[part] += thread.user_time + thread.system_time
    return dict(spent)
