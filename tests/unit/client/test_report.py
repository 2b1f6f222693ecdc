import base64
import hashlib
import io
import os
import re
import tarfile
import time
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from client.answers import Prediction
from client.collection import report, report_thumbnails, sources
from client.collection.ledger import Ledger
from client.collection.records import Content, Found, Row
from client.words import percent, size
from inference.images import Refused, decode
from inference.models.preprocessing import Preprocessing
from tests.support import ledgers
from tests.support.corpus import exif
from tests.support.pictures import encoded, huge_png, photograph

FILES = 100_000
COFFEE = photograph("coffee.png")
Collect = Callable[..., Path]


class Page(HTMLParser):
    """A page's elements and their attributes, and the text of each part."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._part = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self._part = dict(attrs)["id"] or ""

    def handle_data(self, data: str) -> None:
        self.texts[self._part] = f"{self.texts.get(self._part, '')} {data}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def part(self, name: str) -> str:
        return re.sub(r"\s+", " ", self.texts[name])


def answered(
    data: bytes, label: str, score: float = 0.5, looks: int | None = None
) -> Content:
    predictions = (
        Prediction("n1", label, label, score),
        Prediction("n2", "other", "other", score / 2),
    )
    digest = hashlib.sha256(data).digest()
    return Content(digest, len(data), predictions, "network", "d", 1.0, looks)


@pytest.fixture
def collect(tmp_path: Path) -> Collect:
    """Makes a collection whose files all end: as this content, or for this reason."""

    def made(ends: dict[str, Content | tuple[str, str]]) -> Path:
        out = tmp_path / "answers.csv"
        found = list(sources.Sources().find(map(str, [tmp_path])))
        found += [
            Found(os.fsencode(name), 1, 1) for name in ends if name.startswith("/")
        ]
        with Ledger(tmp_path / "answers.csv.ledger") as ledger, ledger.together():
            ledger.found(found)
            for row in ledger.left(0, 1000):
                name = os.fsdecode(row.path)
                end = ends.get(name, ends.get(row.shown.rpartition("/")[2]))
                if isinstance(end, Content):
                    place = ledger.known(end.digest, "")
                    ledger.done(row.number, end if place is None else place)
                elif end is not None:
                    ledger.failed(row.number, *end)
        return out

    return made


def shown(out: Path, thumbnails: int = 100) -> Page:
    to = out.with_name("report.html")
    with Ledger(out.with_name(f"{out.name}.ledger"), new=False) as ledger:
        report.write(out, ledger, to, thumbnails)
    return Page(to.read_text(encoding="utf-8"))


def test_a_hundred_thousand_files_are_counted_in_seconds(tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    ledgers.generated(tmp_path / "answers.csv.ledger", FILES)
    started = time.monotonic()
    with Ledger(tmp_path / "answers.csv.ledger", new=False) as ledger:
        facts = report.write(out, ledger, tmp_path / "report.html", 50)
        counts, duplicates = ledger.counts(), ledger.duplicates()
    assert time.monotonic() - started < 20  # about 1; a busy machine is slow, not wrong
    totals = facts.totals
    assert counts == {"left": 1, "done": totals.done, "failed": totals.failed}
    assert totals.duplicates == duplicates > FILES / 30
    assert totals.contents == totals.done - duplicates
    assert totals.spare_bytes == duplicates * 100_000
    assert sum(facts.bins) == totals.done
    listed = sum(one.files for one in facts.categories)
    assert (listed + facts.rest.files, facts.rest.count) == (totals.done, 200)
    assert len(facts.categories) == 100
    scores = [row.content.predictions[0].score for row in facts.unsure if row.content]
    assert len(scores) == 100
    assert scores == sorted(scores)
    assert facts.reasons == 3
    assert sum(one.files for one in facts.failures) == totals.failed
    assert facts.alike.pictures >= FILES / 50 - 50
    assert (tmp_path / "report.html").stat().st_size < 300_000


def test_the_page_holds_all_it_shows(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(COFFEE)
    page = shown(collect({"a.png": answered(COFFEE, "cup")}))
    assert not page.all("script")
    assert not page.all("link")
    assert {attributes["src"][:23] for attributes in page.all("img")} == {  # type: ignore[index]
        "data:image/jpeg;base64,"
    }
    assert not any("style" in attributes for _, attributes in page.elements)
    policy = next(
        one["content"]
        for one in page.all("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    text = (tmp_path / "report.html").read_text()
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


def test_names_and_reasons_are_text(collect: Collect) -> None:
    name = "/photos/<script>alert(1)</script>&.jpg"
    reason = "It <b>cannot</b> be read."
    page = shown(collect({name: ("unreadable", reason)}))
    assert not page.all("script")
    assert "<script>alert(1)</script>&.jpg" in page.part("failures")
    assert reason in page.part("failures")
    href = next(
        one["href"] for one in page.all("a") if (one["href"] or "").startswith("file:")
    )
    assert href == "file:///photos/%3Cscript%3Ealert%281%29%3C/script%3E%26.jpg"


def test_names_that_are_no_text_are_shown_and_found(collect: Collect) -> None:
    page = shown(collect({os.fsdecode(b"/photos/\xff.jpg"): ("x", "Gone.")}))
    assert "\\udcff.jpg" in page.part("failures")
    assert any(one["href"] == "file:///photos/%FF.jpg" for one in page.all("a"))


def test_groups_and_reasons_are_told(collect: Collect, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(COFFEE)
    (tmp_path / "c.jpg").write_bytes(b"c")
    (tmp_path / "d.jpg").write_bytes(b"d")
    (tmp_path / "e.jpg").write_bytes(b"e")
    (tmp_path / "f.jpg").write_bytes(b"f")
    ends: dict[str, Content | tuple[str, str]] = {
        "a.png": answered(COFFEE, "coffee_mug", 0.9, looks=0b1111),
        "b.png": answered(COFFEE, "coffee_mug", 0.9, looks=0b1111),
        "c.jpg": answered(b"c", "cup", 0.2, looks=0b0111),
        "d.jpg": answered(b"d", "dog", 0.3, looks=-1),
        "e.jpg": ("broken-image", "It is damaged."),
    }
    page = shown(collect(ends))
    assert "2 files coffee mug" in page.part("copies")
    assert "1 group, 2 pictures" in page.part("alike")
    assert "cup" in page.part("alike")
    assert "dog" not in page.part("alike")
    unsure = page.part("unsure")
    assert unsure.index("cup") < unsure.index("dog") < unsure.index("coffee mug")
    assert "It is damaged." in page.part("failures")
    assert "1 file is left to do." in page.part("")


def test_an_empty_collection_has_a_report(collect: Collect) -> None:
    page = shown(collect({}))
    assert "Nothing has been classified yet." in page.part("unsure")
    assert "No two files are equal." in page.part("copies")
    assert "No file has failed." in page.part("failures")


def test_no_more_thumbnails_than_asked_for_and_none_of_what_has_changed(
    collect: Collect, tmp_path: Path
) -> None:
    ends: dict[str, Content | tuple[str, str]] = {}
    for number in range(6):
        data = encoded(Image.new("RGB", (400, 300), (number * 40, 0, 0)), "PNG")
        (tmp_path / f"{number}.png").write_bytes(data)
        ends[f"{number}.png"] = answered(data, f"label_{number}", number / 10)
    out = collect(ends)
    assert len(shown(out, thumbnails=4).all("img")) == 4
    assert len(shown(out, thumbnails=0).all("img")) == 0
    (tmp_path / "0.png").unlink()
    (tmp_path / "1.png").write_bytes(b"another")
    kept = (tmp_path / "2.png").stat()
    (tmp_path / "2.png").write_bytes(encoded(Image.new("RGB", (9, 9)), "PNG"))
    os.utime(tmp_path / "2.png", ns=(kept.st_atime_ns, kept.st_mtime_ns))
    page = shown(out)
    assert len(page.all("img")) == 3
    assert page.part("unsure").count("not shown") == 3


def test_entries_of_archives_have_thumbnails_too(
    collect: Collect, tmp_path: Path
) -> None:
    other = encoded(Image.new("RGB", (20, 20), "red"), "JPEG")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("in/a.png", COFFEE)
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as tar:
        entry = tarfile.TarInfo("in/b.jpg")
        entry.size = len(other)
        tar.addfile(entry, io.BytesIO(other))
    page = shown(
        collect({"a.png": answered(COFFEE, "cup"), "b.jpg": answered(other, "red")})
    )
    assert len(page.all("img")) == 2
    assert not any((one["href"] or "").startswith("file:") for one in page.all("a"))


def test_a_report_that_cannot_be_written_leaves_what_was_there(
    collect: Collect, tmp_path: Path
) -> None:
    out = collect({"/a.jpg": ("x", "y")})
    with Ledger(tmp_path / "answers.csv.ledger") as ledger:
        with pytest.raises(report.ReportError, match="No such file"):
            report.write(out, ledger, tmp_path / "missing" / "report.html", 0)
        (tmp_path / "report.html").mkdir()
        with pytest.raises(report.ReportError):
            report.write(out, ledger, tmp_path / "report.html", 0)
    assert not list(tmp_path.glob(".*.part"))


def test_it_is_of_one_moment_while_a_run_writes(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv.ledger"
    ledgers.generated(path, 200)
    with Ledger(path) as running, Ledger(path) as read:
        (left,) = running.left(0, 1)
        running.begin()
        running.failed(left.number, "broken-image", "It is damaged.")
        with read.still() as db:
            before = report.Facts.of(db, 1)
            running.commit()
            assert report.Facts.of(db, 1) == before
        with read.still() as db:
            after = report.Facts.of(db, 1)
    assert (before.totals.left, after.totals.left) == (1, 0)


def test_a_damaged_ledger_is_said(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv.ledger"
    ledgers.generated(path, 2_000)
    data = bytearray(path.read_bytes())
    data[4096 * 10 : 4096 * 60] = bytes(4096 * 50)
    path.write_bytes(data)
    with (
        Ledger(path, new=False) as ledger,
        pytest.raises(report.ReportError, match="cannot be read"),
    ):
        report.write(tmp_path / "answers.csv", ledger, tmp_path / "report.html", 0)


def small(data: bytes) -> Image.Image:
    made = report_thumbnails.thumbnail(data)
    assert made is not None
    return Image.open(io.BytesIO(base64.b64decode(made)))


def test_thumbnails_are_small_upright_and_opaque() -> None:
    wide = Image.new("RGB", (2000, 1000), "blue")
    assert small(encoded(wide, "JPEG")).size == (160, 80)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    assert small(encoded(wide, "JPEG", exif=exif)).size == (80, 160)
    clear = Image.new("RGBA", (50, 50), (0, 0, 0, 0))
    assert small(encoded(clear, "PNG")).getpixel((25, 25)) == (255, 255, 255)
    for kind, mode in (("GIF", "P"), ("WEBP", "RGB"), ("JPEG", "CMYK"), ("PNG", "1")):
        assert small(encoded(Image.new(mode, (30, 40)), kind)).size == (30, 40)


def test_pictures_that_would_take_much_memory_have_none() -> None:
    assert report_thumbnails.thumbnail(huge_png(6_000)) is None
    assert report_thumbnails.thumbnail(huge_png(30_000)) is None
    large = Image.new("RGB", (6000, 5000))
    assert report_thumbnails.thumbnail(encoded(large, "JPEG")) is not None
    progressive = encoded(large, "JPEG", progressive=True)
    assert report_thumbnails.thumbnail(progressive) is None
    assert report_thumbnails.thumbnail(COFFEE[:500]) is None
    assert report_thumbnails.thumbnail(b"") is None


def test_only_files_that_are_done_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(COFFEE)
    row = Row(1, bytes(path), "failed", len(COFFEE), path.stat().st_mtime_ns)
    assert report_thumbnails.made([row], 10) == {}


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 KB"), (2_340_000, "2.34 MB")],
)
def test_sizes_are_told_in_their_unit(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0.0 %"), (0.0001, "< 0.1 %"), (0.5, "50.0 %"), (0.9999, "> 99.9 %")],
)
def test_shares_never_hide_a_rest(share: float, words: str) -> None:
    assert percent(share).replace("\N{NO-BREAK SPACE}", " ") == words


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")  # of what is damaged
def test_pictures_with_damaged_exif_have_thumbnails_as_they_have_answers() -> None:
    """What a network may see, a report can show."""
    seen, small = [], []
    for name, data in exif.files():
        try:
            decode(data, Preprocessing(height=8, width=8, crop=1.0), 10**7, 0)
        except Refused:
            continue
        seen.append(name)
        small += [name] if report_thumbnails.thumbnail(data) else []
    assert len(seen) > 10
    assert small == seen
