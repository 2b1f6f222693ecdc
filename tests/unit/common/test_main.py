"""What `make run` checks before it starts anything."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from common.__main__ import lock
from common.errors import StartError
from common.listening import address, listen
from common.settings import Settings


def test_a_folder_is_one_pictors_at_a_time(tmp_path: Path) -> None:
    with lock(tmp_path / "data"), pytest.raises(StartError, match="another Pictor"):
        lock(tmp_path / "data")
    lock(tmp_path / "data").close()


def test_who_asks_for_a_renewal_too_early_ends_nothing(tmp_path: Path) -> None:
    """The lock says whom to ask before there is anything to renew."""
    code = (
        "import asyncio, os, signal\n"
        "from common import __main__ as main\n"
        "main.listen = lambda settings: os.kill(os.getpid(), signal.SIGUSR1) or 1 / 0\n"
        "asyncio.run(main.main())\n"
    )
    environment = {**os.environ, "PICTOR_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        (sys.executable, "-c", code),
        check=False,
        env=environment,
        capture_output=True,
    )
    assert b"ZeroDivisionError" in ended.stderr
    assert ended.returncode == 1


def test_a_full_disk_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimpleNamespace(free=7_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(StartError, match="has 7 MB left; 200 MB are needed"):
        lock(tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_listens_on_either_family(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, 0), family=family) as probe:
            port = str(probe.getsockname()[1])
    except OSError:
        pytest.skip(f"this machine has no {host}")
    settings = Settings.parse({"PICTOR_HOST": host, "PICTOR_PORT": port})
    with listen(settings), pytest.raises(StartError, match="set PICTOR_PORT"):
        listen(settings)
    assert address(settings) == (
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    )
