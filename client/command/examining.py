"""What ``pictor doctor`` looks at on this machine, one function each; a server is `serving`'s."""

import asyncio
import contextlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from client.command.finding import Finding
from client.command.serving import server_findings
from client.words import size
from common.errors import SettingsError, StartError
from common.settings import Settings, usable_cores

PYTHONS: Final = ((3, 11), (3, 13))
NEEDED: Final = {
    "aiohttp": "aiohttp",
    "jinja2": "jinja2",
    "msgspec": "msgspec",
    "numpy": "numpy",
    "PIL": "pillow",
    "pyarrow": "pyarrow",
    "rich": "rich",
}
LEAST_DISK_BYTES: Final = 2_000_000_000
LEAST_MEMORY_BYTES: Final = 1_000_000_000
ANSWER_S: Final = 2.0
SETUP: Final = "Run 'make setup'."
MEMINFO: Final = Path("/proc/meminfo")
GROUP: Final = Path("/sys/fs/cgroup")  # control groups, version 2

Check = Callable[[], Iterable[Finding]]


def examine(server: str, key: str) -> Iterator[Finding]:
    """Everything, as it is found out; whatever goes wrong is a finding.

    Args:
        server: an address that should answer; empty: that of the settings, which may.
        key: an API key for it.
    """
    yield from guarded("Python", python)
    yield from guarded("Packages", packages)
    try:
        settings = Settings.load()
    except SettingsError as error:
        advice = "Correct it in .env or the environment; README.md lists all settings."
        yield Finding("Settings", "fail", str(error), advice)
        settings = Settings()  # of the rest as much as can be told
    except (OSError, UnicodeDecodeError) as error:
        advice = "Make .env a text file that you may read."
        yield Finding("Settings", "fail", f".env cannot be read: {error}", advice)
        settings = Settings()
    else:
        yield from guarded("Settings", lambda: settings_found(settings))
    checks: dict[str, Check] = {
        "Data": lambda: data(settings),
        "Model": lambda: model(settings),
        "Machine": machine,
        "Redis": lambda: redis(settings),
        "Server": lambda: server_findings(settings, server, key),
    }
    for name, check in checks.items():
        yield from guarded(name, check)


def guarded(name: str, check: Check) -> Iterator[Finding]:
    """What a check finds, also where it breaks."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - what nobody thought of is a finding too
        found = f"this could not be looked at: {type(error).__name__}: {error}"
        yield Finding(name, "fail", found, "Please report it with this line.")


def python() -> Iterator[Finding]:
    """The interpreter's version."""
    here = ".".join(map(str, sys.version_info[:3]))
    least, most = PYTHONS
    if least <= sys.version_info[:2] <= most:
        yield Finding("Python", "ok", here)
    else:
        advice = "Name one of 3.11 to 3.13: make PYTHON=python3.12 setup"
        yield Finding("Python", "fail", here, advice)


def packages() -> Iterator[Finding]:
    """What this command cannot do without."""
    missing = [
        package
        for module, package in NEEDED.items()
        if importlib.util.find_spec(module) is None
    ]
    if missing:
        yield Finding("Packages", "fail", f"missing: {', '.join(missing)}", SETUP)
    else:
        yield Finding("Packages", "ok", "all that the command needs are installed")


def settings_found(settings: Settings) -> Iterator[Finding]:
    """Settings that could be read."""
    there = Path(".env").is_file()
    where = f"{'.env' if there else 'no .env here: defaults'} and environment"
    if settings.unguarded:
        found = f"{where}; PICTOR_HOST={settings.host} lets everybody in who reaches this machine"
        advice = "Set PICTOR_API_KEYS_FILE, or PICTOR_HOST=127.0.0.1."
        yield Finding("Settings", "warn", found, advice)
    else:
        yield Finding("Settings", "ok", where)


def data(settings: Settings, least: int = LEAST_DISK_BYTES) -> Iterator[Finding]:
    """The data folder: there or to be made, writable, and with room."""
    folder = settings.data_path
    there = next(path for path in (folder, *folder.parents) if path.exists())
    advice = "Make it writable for you, or set PICTOR_DATA_DIR to another folder."
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        found = f"{folder} cannot be written to: {error.strerror or error}"
        yield Finding("Data", "fail", found, advice)
        return
    found = f"{folder}{'' if folder == there else ', to be made'}; {size(free)} free"
    if free < least:
        advice = f"Make room for {size(least)}, or set PICTOR_DATA_DIR to another disk."
        yield Finding("Data", "fail", found, advice)
    else:
        yield Finding("Data", "ok", found)


def model(settings: Settings) -> Iterator[Finding]:
    """The network: known here, and converted."""
    from client.collection import local_model

    if importlib.util.find_spec("inference") is None:
        found = "what classifies is not part of this installation; a server's address is all you need"
        yield Finding(
            "Model", "warn", found, "Give --server, here and to 'pictor classify'."
        )
        return
    try:
        it = local_model.look(settings)
    except StartError as error:
        yield Finding(
            "Model", "fail", str(error), "Set PICTOR_MODEL; README.md, 'Models'."
        )
        return
    if it.lacks:
        found = f"{it.name} for {it.engine} has not been {it.lacks} yet"
        advice = "Nothing to do: the first start does it, in about a minute."
        yield Finding("Model", "warn", found, advice)
    else:
        yield Finding("Model", "ok", f"{it.name} is ready for {it.engine}")


def machine() -> Iterator[Finding]:
    """Cores and memory, as far as this process may use them."""
    cores = usable_cores()
    free = _memory()
    found = f"{cores} {'core' if cores == 1 else 'cores'}"
    if free is None:
        yield Finding("Machine", "ok", found)
    elif free < LEAST_MEMORY_BYTES:
        found = f"{found}; {size(free)} of memory available"
        advice = "End something else, or take fewer workers: PICTOR_WORKERS=1."
        yield Finding("Machine", "warn", found, advice)
    else:
        yield Finding("Machine", "ok", f"{found}; {size(free)} of memory available")


def _memory() -> int | None:
    """Bytes that may still be used; None where the system does not say."""
    found = []
    with contextlib.suppress(OSError, ValueError):
        rows = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        found.append(int(rows["MemAvailable"].split()[0]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: no bound
        most = int((GROUP / "memory.max").read_text())
        found.append(most - int((GROUP / "memory.current").read_text()))
    return min(found, default=None)


def redis(settings: Settings) -> Iterator[Finding]:
    """The user's own Redis, or the embedded one."""
    if settings.redis_url:
        yield from _own_redis(settings)
    else:
        yield _embedded_redis(settings)


def _own_redis(settings: Settings) -> Iterator[Finding]:
    from common import checks, connections

    async def ask() -> list[str]:
        await connections.check(settings.redis_url, ANSWER_S)
        return await checks.found(settings)

    try:
        warnings = asyncio.run(ask())
    except StartError as error:
        advice = "Start it, correct PICTOR_REDIS_URL, or leave that empty: make run has its own."
        yield Finding("Redis", "fail", str(error), advice)
        return
    where = connections.redacted(settings.redis_url)
    yield Finding("Redis", "ok", f"{where} answers")
    for warning in warnings:
        found, _, advice = warning.partition(": ")
        yield Finding("Redis", "warn", found, advice)


def _embedded_redis(settings: Settings) -> Finding:
    from common import connections, embedded

    try:
        program = embedded.binary()
        said = subprocess.run(
            (program, "--version"),
            capture_output=True,
            timeout=10,
            check=True,
            text=True,
        )
    except StartError as error:
        return Finding("Redis", "warn", str(error), f"{SETUP} --local needs none.")
    except (OSError, subprocess.SubprocessError) as error:
        advice = "Set PICTOR_REDIS_URL to a Redis of your own."
        return Finding(
            "Redis", "fail", f"the embedded server does not run: {error}", advice
        )
    version = said.stdout.split(" sha=")[0].strip()
    socket = settings.data_path / "redis" / "redis.sock"
    if socket.exists():
        with contextlib.suppress(
            StartError
        ):  # it has ended: 'make run' starts it again
            asyncio.run(connections.check(embedded.url(socket), 0))
            return Finding("Redis", "ok", f"embedded, {version}; it is running")
    return Finding("Redis", "ok", f"embedded, {version}; 'make run' starts it")
