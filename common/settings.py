"""Every ``PICTOR_*`` setting: read once, from the environment and ``.env``, checked, with its unit.

The environment wins over ``.env``; an empty value means the default, since compose hands on empty
ones. A wrong value or an unknown name raises, so that a misspelt setting is never silently ignored.
"""

import difflib
import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import msgspec
from dotenv import dotenv_values
from msgspec import Meta

from common.errors import SettingsError
from common.keys import Lane
from common.peers import Network, networks, origins

PREFIX = "PICTOR_"
OTHERS = frozenset({"PICTOR_URL", "PICTOR_KEY"})  # where the command asks, and as whom
MEGABYTE = 1_000_000
MEGAPIXEL = 1_000_000
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")  # control groups, version 2
LOOPBACK = ("127.0.0.1", "::1", "localhost")
LISTS: Mapping[str, Callable[[str], object]] = {
    "PICTOR_TRUSTED_PROXIES": networks,
    "PICTOR_CORS_ORIGINS": origins,
}

Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=7 * 86_400)]


def _environment_name(field: str) -> str:
    return PREFIX + field.upper()


class Settings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename=_environment_name,
    forbid_unknown_fields=True,
):
    """What an operator may change. README's table says what each is for."""

    host: str = "127.0.0.1"
    port: Port = 8000
    gateways: AtLeastOne = 1
    redis_url: str = ""  # empty: the embedded server
    redis_maxmemory_mb: Annotated[int, Meta(ge=256)] = 1024
    durability: Literal["none", "everysec", "always"] = "everysec"
    data_dir: str = "data"
    model: Annotated[str, Meta(min_length=1)] = "efficientnet_lite0"
    engine: Literal["auto", "litert", "tensorflow"] = "auto"
    precision: Literal["auto", "float32", "float16"] = "auto"  # of TensorFlow
    workers: Count = 0  # 0: as calibrated, else one a core (a GPU: one)
    decoders: Annotated[int, Meta(ge=0, le=64)] = 0  # a worker; 0: as suits its engine
    max_batch: Annotated[int, Meta(ge=0, le=512)] = (
        0  # images; 0: as calibrated, else what the measured cost allows
    )
    latency_target_ms: Annotated[float, Meta(ge=1, le=60_000)] = 250
    deadline_s: Seconds = 10
    result_ttl_s: Seconds = 300
    cache_ttl_s: Annotated[float, Meta(ge=0, le=7 * 86_400)] = (
        3600  # 0: no cache, no coalescing
    )
    explain: Literal["on", "off"] = "on"  # maps of what the network looked at
    kept_pictures_days: Annotated[int, Meta(ge=0, le=3650)] = 30  # 0: none is kept
    kept_pictures_dir: str = ""  # empty: feedback, in the data folder
    max_upload_mb: Annotated[float, Meta(gt=0, le=512)] = 20
    max_megapixels: Annotated[float, Meta(gt=0, le=1000)] = 64
    max_backlog_interactive: AtLeastOne = 2000  # entries
    max_backlog_bulk: AtLeastOne = 20000  # entries
    max_bytes_in_flight_mb: AtLeastOne = 256  # a gateway
    max_connections: Annotated[int, Meta(ge=8, le=100_000)] = 4096  # a gateway
    worker_metrics_port: Port = 9101
    api_keys_file: str = ""  # empty: no keys, open to all who reach the port
    quota_per_minute: Count = 0  # of a key or an address; 0: none
    trusted_proxies: str = ""  # addresses and networks
    cors_origins: str = ""  # whose pages may call the API
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def data_path(self) -> Path:
        """The data folder, absolute."""
        return Path(self.data_dir).expanduser().resolve()

    @property
    def kept_pictures_path(self) -> Path:
        """Where pictures lie that were given with a report, absolute."""
        if self.kept_pictures_dir:
            return Path(self.kept_pictures_dir).expanduser().resolve()
        return self.data_path / "feedback"

    @property
    def open_to_others(self) -> bool:
        """Whether other machines may reach the gateway."""
        return self.host not in LOOPBACK

    @property
    def unguarded(self) -> bool:
        """Whether everybody on other machines may use the gateway."""
        return self.open_to_others and not self.api_keys_file

    @property
    def api_keys_path(self) -> Path | None:
        """The keys file, where there is one."""
        name = self.api_keys_file
        return Path(name).expanduser() if name else None

    @property
    def proxies(self) -> tuple[Network, ...]:
        """Those whose X-Forwarded-For is believed."""
        return networks(self.trusted_proxies)

    @property
    def origins(self) -> frozenset[str]:
        """The origins whose pages may call the API; ``*`` stands for all."""
        return origins(self.cors_origins)

    @property
    def model_name(self) -> str:
        """The model's name in Redis: a catalogue name, or the last part of a folder's path."""
        path = Path(self.model)
        name = path.name or path.resolve().name  # "." has none of its own
        return re.sub(r"[^A-Za-z0-9_.-]", "_", name)

    @property
    def stop_s(self) -> float:
        """How long a process may take to finish what it has, whatever the deadline."""
        return max(10.0, self.deadline_s)

    def patience_s(self, lane: Lane, *, keep: bool) -> float:
        """How long a request may wait for its turn.

        What is kept may wait as long as its result would be, in the bulk lane. In the interactive one
        people wait: a backlog that outlasts their deadline would shut them out.
        """
        return self.result_ttl_s if keep and lane == "bulk" else self.deadline_s

    @property
    def max_upload_bytes(self) -> int:
        return int(self.max_upload_mb * MEGABYTE)

    @property
    def max_pixels(self) -> int:
        return int(self.max_megapixels * MEGAPIXEL)

    @classmethod
    def load(cls, dotenv: Path | None = Path(".env")) -> Self:
        """Reads the environment over ``.env``.

        Raises:
            SettingsError: a value is wrong or a name unknown; one line that names it.
        """
        values: dict[str, str | None] = {}
        if dotenv is not None and dotenv.is_file():
            values.update(dotenv_values(dotenv, interpolate=False))
        values.update(os.environ)
        return cls.parse(values)

    @classmethod
    def parse(cls, values: Mapping[str, str | None]) -> Self:
        """Settings from names and values; names without the prefix are others' business."""
        ours = {
            k: v.strip()
            for k, v in values.items()
            if k.startswith(PREFIX) and k not in OTHERS and v is not None
        }
        unknown = sorted(ours.keys() - cls.__struct_encode_fields__)
        if unknown:
            raise SettingsError(_unknown(unknown[0], cls.__struct_encode_fields__))
        try:
            settings = msgspec.convert(
                {k: v for k, v in ours.items() if v}, cls, strict=False
            )
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `$.")
            name = where.rstrip("`")
            raise SettingsError(
                f"{name}={ours.get(name, '')!r}: {_expected(name, what)}"
            ) from None
        if settings.result_ttl_s < 2 * settings.deadline_s:
            raise SettingsError(
                f"PICTOR_RESULT_TTL_S={settings.result_ttl_s:g}: expected at least twice "
                f"PICTOR_DEADLINE_S, {2 * settings.deadline_s:g}"
            )
        for name, parsed in LISTS.items():
            try:
                parsed(ours.get(name, ""))
            except ValueError as error:
                raise SettingsError(f"{name}={ours[name]!r}: {error}") from None
        return settings

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for a child process."""
        return {name: str(value) for name, value in self.by_name().items()}

    def by_name(self) -> dict[str, str | int | float]:
        """These settings by the names of their variables."""
        values: dict[str, str | int | float] = msgspec.to_builtins(self)
        return values


def _expected(name: str, what: str) -> str:
    """The complaint of msgspec; for a choice it does not say among what."""
    choices = get_args(Settings.__annotations__[name.removeprefix(PREFIX).lower()])
    if choices and all(isinstance(choice, str) for choice in choices):
        return "expected " + " or ".join(choices)
    return what.replace("Expected", "expected").replace("`", "")


def _unknown(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "README.md lists all settings"
    return f"{name}: there is no such setting; {hint}"


def usable_cores() -> int:
    """Cores this process may use: those it is pinned to, and no more than its container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return min(cores, _quota(CPU_MAX.read_text()) if CPU_MAX.is_file() else cores)


def _quota(cpu_max: str) -> int:
    """Whole cores of a control group's ``cpu.max``: "max 100000", or quota and period in us."""
    quota, _, period = cpu_max.partition(" ")
    return (
        sys.maxsize if quota == "max" else max(1, math.ceil(int(quota) / int(period)))
    )
