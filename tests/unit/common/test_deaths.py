"""Crash loops are told to gateways, through a real server."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common import keys
from common.connections import Keeper
from common.deaths import in_words
from common.supervisor import End
from gateway.admission import Admission


@pytest.mark.parametrize(
    ("status", "how"), [(-9, "signal 9"), (1, "status 1"), (0, "status 0")]
)
def test_a_crash_loop_in_words(status: int, how: str) -> None:
    end = End("worker 1", 4711, status, lately=4)
    assert in_words(end) == f"worker 1 ended 4 times within a minute, last with {how}"


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


async def test_gateways_say_that_workers_keep_dying(
    link: Keeper, flushed_redis_url: str, tmp_path: Path
) -> None:
    """As the inference parent writes it, in a process whose metrics are shared."""
    code = (
        "import asyncio, sys\n"
        "from common.connections import Keeper\n"
        "from common.deaths import Deaths\n"
        "from common.supervisor import End\n"
        "async def main():\n"
        "    deaths = Deaths(Keeper(sys.argv[1]))\n"
        "    for lately in (1, 2, 3):\n"
        "        deaths.ended(End('worker 1', 4711, -6, lately))\n"
        "    await asyncio.gather(*deaths._telling)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, flushed_redis_url),
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
    )
    assert await process.wait() == 0
    assert 50 < await link.call("TTL", keys.trouble()) <= 60
    admission = Admission(link, "m", {"interactive": 1, "bulk": 1})
    await admission.read()
    admission.away = ""
    assert admission.unready() == (
        "no worker is warm; worker 1 ended 3 times within a minute, last with signal 6"
    )
