"""Pictures that are kept lie under their digest, for as long as they may, and go with their report."""

import hashlib
import os
import resource
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common import formats, keys, wire
from common.connections import Keeper
from common.errors import CannotKeep, KeepingOff, NotAnImage, OtherPicture
from gateway import feedback, kept
from gateway.feedback import Entry
from gateway.kept import DAY_S, Kept
from tests.support.corpus.damage import good

PICTURE = good()["jpeg"] if "jpeg" in good() else next(iter(good().values()))
DIGEST = hashlib.sha256(PICTURE).digest()


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Not there yet."""
    return tmp_path / "data" / "feedback"


@pytest.fixture
def pictures(link: Keeper, folder: Path) -> Kept:
    return Kept(link, folder, 30)


async def reported(link: Keeper, digest: bytes = DIGEST) -> Entry:
    token = await feedback.store(link, wire.Report(1, "0-a", "right", digest=digest))
    entry = await feedback.find(link, token)
    assert entry is not None
    return entry


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def name(picture: bytes = PICTURE) -> str:
    digest = hashlib.sha256(picture).hexdigest()
    return f"{digest}.{formats.extension(picture)}"


def aged(folder: Path, days: float, file: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).touch()
    then = time.time() - days * DAY_S
    os.utime(folder / file, (then, then))


@pytest.mark.parametrize(("kind", "picture"), good().items())
async def test_a_picture_is_kept_as_it_was_sent(
    link: Keeper, pictures: Kept, folder: Path, kind: str, picture: bytes
) -> None:
    entry = await reported(link, hashlib.sha256(picture).digest())
    until = await pictures.keep(entry, picture)
    assert names(folder) == [name(picture)]
    assert (folder / name(picture)).read_bytes() == picture
    assert (folder / name(picture)).suffix[1:] in kept.EXTENSIONS
    assert abs(until - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
    assert await pictures.marks() == {entry.id}
    assert (await pictures.files()).keys() == {hashlib.sha256(picture).hexdigest()}


async def test_nobody_else_on_the_machine_may_read_it(
    link: Keeper, pictures: Kept, folder: Path
) -> None:
    await pictures.keep(await reported(link), PICTURE)
    for path in (folder, folder / name()):
        assert os.stat(path).st_mode & 0o077 == 0


async def test_another_picture_is_refused(
    link: Keeper, pictures: Kept, folder: Path
) -> None:
    with pytest.raises(OtherPicture):
        await pictures.keep(await reported(link, bytes(32)), PICTURE)
    with pytest.raises(OtherPicture):
        await pictures.keep(await reported(link, b""), PICTURE)
    assert (names(folder), await pictures.marks()) == ([], set())


async def test_what_is_no_picture_is_refused(
    link: Keeper, pictures: Kept, folder: Path
) -> None:
    noise = b"MZ" + PICTURE
    entry = await reported(link, hashlib.sha256(noise).digest())
    with pytest.raises(NotAnImage):
        await pictures.keep(entry, noise)
    assert names(folder) == []


async def test_where_none_is_kept_none_is(link: Keeper, folder: Path) -> None:
    with pytest.raises(KeepingOff):
        await Kept(link, folder, 0).keep(await reported(link), PICTURE)


async def test_it_goes_with_the_last_report_that_kept_it(
    link: Keeper, pictures: Kept, folder: Path
) -> None:
    """A report about the same picture that did not ask for keeping keeps nothing."""
    first, second = await reported(link), await reported(link)
    await reported(link)
    for entry in (first, second, second):
        await pictures.keep(entry, PICTURE)
    await pictures.let_go(first)
    assert names(folder) == [name()]
    await pictures.let_go(second)
    assert (names(folder), await pictures.marks()) == ([], set())
    await pictures.let_go(second)


async def test_who_kept_nothing_takes_nothing_away(
    link: Keeper, pictures: Kept, folder: Path
) -> None:
    await pictures.keep(await reported(link), PICTURE)
    await pictures.let_go(await reported(link))
    await pictures.let_go(await reported(link, b""))
    assert names(folder) == [name()]


async def test_what_is_too_old_goes_and_what_is_not_ours_stays(
    link: Keeper, pictures: Kept, folder: Path
) -> None:
    old, new, part = (
        "a" * 64 + ".jpg",
        "b" * 64 + ".webp",
        f".{'c' * 64}.{'0' * 16}.part",
    )
    aged(folder, 30.01, old)
    aged(folder, 29.99, new)
    aged(folder, 0.1, part)
    others = ["photo.jpg", "a" * 64 + ".exe", "a" * 63 + ".jpg", ".part", "notes"]
    for other in others:
        aged(folder, 1000, other)
    (folder / ("d" * 64)).mkdir()
    past = int((time.time() - 31 * DAY_S) * 1000)
    now = int(time.time() * 1000)
    await link.call("ZADD", keys.KEPT, past, f"1-0:{'a' * 64}", now, f"2-0:{'b' * 64}")
    await pictures.sweep()
    assert names(folder) == sorted([new, "d" * 64, *others])
    assert await pictures.marks() == {"2-0"}


async def test_what_no_report_has_any_more_goes(
    link: Keeper, pictures: Kept, folder: Path
) -> None:
    """The oldest reports make way for new ones; then nobody could take their pictures back."""
    other = next(one for one in good().values() if one != PICTURE)
    digest = hashlib.sha256(other).digest()
    for picture, its in ((PICTURE, DIGEST), (other, digest)):
        await pictures.keep(await reported(link, its), picture)
    last = await reported(link, digest)
    await pictures.keep(last, other)
    await pictures.sweep()
    assert len(names(folder)) == 2
    assert len(await pictures.marks()) == 3
    await link.call("XTRIM", keys.FEEDBACK, "MAXLEN", 1)
    await pictures.sweep()
    assert names(folder) == [name(other)]
    assert await pictures.marks() == {last.id}


async def test_with_0_days_all_goes(link: Keeper, pictures: Kept, folder: Path) -> None:
    entry = await reported(link)
    await pictures.keep(entry, PICTURE)
    aged(folder, 1000, "photo.jpg")
    await Kept(link, folder, 0).sweep()
    assert (names(folder), await pictures.marks()) == (["photo.jpg"], set())


async def test_it_is_swept_from_the_start(
    link: Keeper, pictures: Kept, folder: Path
) -> None:
    aged(folder, 31, "a" * 64 + ".gif")
    pictures.start()
    while names(folder):
        await link.call("PING")
    await pictures.stop()


async def test_a_sweep_goes_on_whatever_fails(tmp_path: Path) -> None:
    """Neither Redis nor the folder is there."""
    (tmp_path / "file").touch()
    await Kept(Keeper("unix:///nowhere"), tmp_path / "file" / "feedback", 30).sweep()


async def test_a_folder_that_cannot_be_written_is_said_so(
    link: Keeper, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    pictures = Kept(link, tmp_path / "file" / "feedback", 30)
    with pytest.raises(CannotKeep, match="stored without the picture"):
        await pictures.keep(await reported(link), PICTURE)
    assert await pictures.marks() == set()
    with pytest.raises(CannotKeep, match="cannot be read"):
        await pictures.files()


async def test_a_file_that_cannot_be_finished_leaves_nothing(
    link: Keeper, pictures: Kept, folder: Path
) -> None:
    """The system refuses to write on, as it does when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    entry = await reported(link)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(PICTURE) // 2, hard))
    try:
        with pytest.raises(CannotKeep):
            await pictures.keep(entry, PICTURE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (names(folder), await pictures.marks()) == ([], set())
    await pictures.keep(entry, PICTURE)
    assert names(folder) == [name()]


async def test_some_of_the_disk_is_left_to_others(
    link: Keeper, pictures: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "SPARE_BYTES", 2**62)
    with pytest.raises(CannotKeep):
        await pictures.keep(await reported(link), PICTURE)
    assert names(folder) == []
