"""What is taken away: every report once, pictures by category, nothing secret."""

import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import wire
from common.connections import Keeper
from gateway import feedback, feedback_export
from gateway.feedback import Entry
from gateway.feedback_export import UNLABELLED, folder
from gateway.kept import Kept
from tests.support.corpus.damage import good

PICTURES = list(good().values())[:3]
FIELDS = (
    *("when", "request_id", "verdict", "answered", "label", "text", "score"),
    *("model_digest", "digest", "kept"),
)


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


@pytest.fixture
def kept(link: Keeper, tmp_path: Path) -> Kept:
    return Kept(link, tmp_path, 30)


async def report(
    link: Keeper, kept: Kept, picture: bytes, *, keep: bool = True, **fields: object
) -> Entry:
    digest = hashlib.sha256(picture).digest()
    made = wire.Report(1, "0-a", digest=digest, **fields)  # type: ignore[arg-type]
    entry = await feedback.find(link, await feedback.store(link, made))
    assert entry is not None
    if keep:
        await kept.keep(entry, picture)
    return entry


async def lines(link: Keeper, kept: Kept) -> list[dict[str, Any]]:
    data = b"".join([piece async for piece in feedback_export.lines(link, kept)])
    return [json.loads(line) for line in data.splitlines()]


async def archive(link: Keeper, kept: Kept) -> zipfile.ZipFile:
    data = b"".join([piece async for piece in feedback_export.archive(link, kept)])
    made = zipfile.ZipFile(io.BytesIO(data))
    assert made.testzip() is None
    return made


async def test_without_reports_there_are_no_lines_but_a_zip(
    link: Keeper, kept: Kept
) -> None:
    assert await lines(link, kept) == []
    made = await archive(link, kept)
    assert made.namelist() == ["reports.jsonl"]
    assert made.read("reports.jsonl") == b""


async def test_each_report_is_a_line_the_oldest_first(
    link: Keeper, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "CHUNK", 2)
    entry = await report(
        link, kept, PICTURES[0], verdict="wrong", answered="cup", label="mug", score=0.5
    )
    for number in range(4):
        await report(link, kept, PICTURES[1], keep=False, text=f"{number}\n\u2028é")
    first, *others = await lines(link, kept)
    assert tuple(first) == FIELDS
    assert first == {
        "when": entry.when,
        "request_id": "0-a",
        "verdict": "wrong",
        "answered": "cup",
        "label": "mug",
        "text": "",
        "score": 0.5,
        "model_digest": "",
        "digest": entry.report.digest.hex(),
        "kept": True,
    }
    assert [one["text"] for one in others] == [f"{n}\n\u2028é" for n in range(4)]
    assert not any(one["kept"] for one in others)
    assert entry.report.secret.hex() not in str([first, *others])


async def test_pictures_lie_by_what_is_in_them(link: Keeper, kept: Kept) -> None:
    right, wrong, unsaid = PICTURES
    await report(link, kept, right, verdict="right", answered="cup")
    await report(link, kept, wrong, verdict="wrong", answered="cup", label="mug")
    await report(link, kept, unsaid, verdict="wrong", answered="cup")
    made = await archive(link, kept)
    by_folder = {
        name.split("/")[0]: made.read(name) for name in made.namelist() if "/" in name
    }
    assert by_folder == {"cup": right, "mug": wrong, UNLABELLED: unsaid}
    assert len(made.read("reports.jsonl").splitlines()) == 3
    digest = hashlib.sha256(wrong).hexdigest()
    assert any(name.startswith(f"mug/{digest}.") for name in made.namelist())


async def test_of_two_opinions_about_a_picture_the_newer_counts(
    link: Keeper, kept: Kept
) -> None:
    for label in ("mug", "cup"):
        await report(link, kept, PICTURES[0], verdict="wrong", label=label)
    made = await archive(link, kept)
    assert [name.split("/")[0] for name in made.namelist()] == ["reports.jsonl", "cup"]


async def test_only_who_asked_for_it_has_a_picture_in_it(
    link: Keeper, kept: Kept
) -> None:
    """The newer report is about the same picture, and its writer did not."""
    await report(link, kept, PICTURES[0], verdict="wrong", label="mug")
    await report(link, kept, PICTURES[0], keep=False, verdict="wrong", label="cup")
    made = await archive(link, kept)
    assert [name.split("/")[0] for name in made.namelist()] == ["reports.jsonl", "mug"]


async def test_a_picture_that_has_gone_is_left_out(link: Keeper, kept: Kept) -> None:
    for picture in PICTURES:
        await report(link, kept, picture, verdict="right", answered="cup")
    making = feedback_export.archive(link, kept)
    data = await anext(making)
    for path in (await kept.files()).values():
        path.unlink()
    data += b"".join([piece async for piece in making])
    made = zipfile.ZipFile(io.BytesIO(data))
    assert made.namelist() == ["reports.jsonl"]


async def test_a_zip_comes_in_pieces(
    link: Keeper, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No piece is larger than what was read for it, and a few bytes."""
    monkeypatch.setattr(feedback_export, "PIECE_BYTES", 100)
    await report(link, kept, PICTURES[0], verdict="right", answered="cup")
    pieces = [piece async for piece in feedback_export.archive(link, kept)]
    assert max(map(len, pieces)) < 1000
    made = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert PICTURES[0] in [made.read(name) for name in made.namelist()]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Eskimo_dog", "Eskimo_dog"),
        ("jack-o'-lantern", "jack-o'-lantern"),
        ("../../etc/passwd", "_etc_passwd"),
        ("..", "_"),
        ("a/b\\c:d", "a_b_c_d"),
        ("Straße", "Straße"),
        ("NUL", "NUL_"),
        ("  ", UNLABELLED),
        ("", UNLABELLED),
        ("x" * 500, "x" * 100),
    ],
)
def test_a_folder_has_a_name_that_is_safe(label: str, name: str) -> None:
    assert folder(Entry("1-0", wire.Report(1, verdict="wrong", label=label))) == name


@given(st.text(), st.sampled_from(["right", "wrong", ""]))
def test_no_category_leads_out_of_the_zip(label: str, verdict: str) -> None:
    report = wire.Report(1, verdict=verdict, label=label, answered=label)
    name = folder(Entry("1-0", report))
    assert name
    assert name == name.strip()
    assert not {"/", "\\", ":", "\0", "\n", "."} & set(name)
    assert len(name) <= 101
