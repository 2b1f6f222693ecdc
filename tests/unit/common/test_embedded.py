"""The embedded server: where it listens and what it promises to keep."""

from pathlib import Path

import pytest

from common import embedded
from common.settings import Settings


def test_the_socket_lies_in_the_data_folder(tmp_path: Path) -> None:
    path = Path("/srv/pictor")
    assert embedded.socket_path(path) == path / "redis" / "redis.sock"
    assert embedded.url(Path("/a/b.sock")) == "unix:///a/b.sock"


def test_a_path_too_long_for_a_socket_is_not_used(tmp_path: Path) -> None:
    path = embedded.socket_path(Path("/") / ("long" * 30))
    assert len(str(path)) <= embedded.LONGEST_SOCKET_PATH
    assert path.parent.stat().st_mode & 0o077 == 0
    path.parent.rmdir()


@pytest.mark.parametrize(
    ("durability", "arguments"),
    [
        ("none", "--appendonly no"),
        ("everysec", "--appendonly yes --appendfsync everysec"),
        ("always", "--appendonly yes --appendfsync always"),
    ],
)
def test_the_command_line_keeps_what_is_promised(
    durability: str, arguments: str, tmp_path: Path
) -> None:
    settings = Settings.parse(
        {"PICTOR_DURABILITY": durability, "PICTOR_DATA_DIR": str(tmp_path)}
    )
    line = " ".join(embedded.command(settings, tmp_path / "redis.sock"))
    assert f" {arguments} " in line
    assert line.endswith("--maxmemory 1024mb --maxmemory-policy noeviction")
    assert " --port 0 " in line


def test_the_folder_is_closed_to_others(tmp_path: Path) -> None:
    settings = Settings.parse({"PICTOR_DATA_DIR": str(tmp_path / "data")})
    embedded.prepare(settings)
    embedded.prepare(settings)
    assert (tmp_path / "data" / "redis").stat().st_mode & 0o777 == 0o700
