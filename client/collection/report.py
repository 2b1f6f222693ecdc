"""A report on a collection: one HTML file that holds all it shows, for a browser without a network.

It is written while it is made, and counts come from SQL: memory holds the thumbnails and what is listed.
"""

import base64
import hashlib
import itertools
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import msgspec

from client.collection import queries, report_alike, report_thumbnails, whole
from client.collection.ledger import Ledger
from client.collection.records import Row, apart, shown
from client.errors import ClientError
from client.words import percent, size

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE: Final = "report.html"
CATEGORIES: Final = 100
UNSURE: Final = 100  # pictures, at least
GROUPS: Final = 24  # that look alike, or have the same bytes
MEMBERS: Final = 4  # of such a group
REASONS: Final = 50
EXAMPLES: Final = 5  # of a reason


class ReportError(ClientError):
    """There can be no report; the message says why."""


class Rest(msgspec.Struct, frozen=True):
    """Categories beyond those listed."""

    count: int
    files: int


class Facts(msgspec.Struct, frozen=True):
    """What the page shows.

    Attributes:
        bins: files by the probability of their best category, in equal steps from 0 to 1.
        copies: groups of files with the same bytes; `copy_groups` is how many there are in all.
        reasons: likewise, in all.
    """

    totals: queries.Totals
    categories: list[queries.Category]
    rest: Rest
    bins: list[int]
    unsure: list[Row]
    alike: report_alike.Groups
    copy_groups: int
    copies: list[queries.Copies]
    reasons: int
    failures: list[queries.Failures]

    @classmethod
    def of(cls, db: sqlite3.Connection, unsure: int) -> Self:
        """Asks a ledger."""
        every = queries.categories(db)
        rest = every[CATEGORIES:]
        return cls(
            queries.totals(db),
            every[:CATEGORIES],
            Rest(len(rest), sum(one.files for one in rest)),
            [sum(counts) for counts in zip(*(one.bins for one in every), strict=True)],
            queries.unsure(db, unsure),
            report_alike.groups(db, GROUPS, MEMBERS),
            *queries.copies(db, GROUPS, MEMBERS),
            *queries.failures(db, REASONS, EXAMPLES),
        )

    @property
    def sure(self) -> int:
        """Files whose best category has a half of the probability or more."""
        return sum(self.bins[len(self.bins) // 2 :])

    def pictures(self, unsure: int) -> Iterator[Row]:
        """Those to see, the more telling ones first: so many unsure ones, groups, the others."""
        groups = itertools.chain.from_iterable(one.shown for one in self.alike.largest)
        first = (one.first for one in self.copies)
        yield from self.unsure[:unsure]
        yield from itertools.chain(groups, first, self.unsure[unsure:])


def write(out: Path, ledger: Ledger, to: Path, thumbnails: int) -> Facts:
    """Writes a report.

    Args:
        out: the output that it is about, for its heading.
        ledger: of that output; it may be written to meanwhile.
        to: the HTML file.
        thumbnails: at most.

    Returns:
        What it says.

    Raises:
        ReportError: it cannot be read or written; what was there is as it was.
    """
    try:
        with ledger.still() as db:
            facts = Facts.of(db, max(UNSURE, thumbnails // 2))
    except sqlite3.Error as error:
        raise ReportError(f"the ledger of {out} cannot be read: {error}") from error
    page = _environment().get_template(TEMPLATE)
    pictures = report_thumbnails.made(facts.pictures(thumbnails // 2), thumbnails)
    stream = page.stream(
        facts=facts,
        name=shown(os.fsencode(out.name)),
        when=datetime.now(UTC),
        thumbnails=pictures,
        boxes=thumbnails > 0,
    )
    stream.enable_buffering(100)
    try:
        with whole.beside(to) as file, file.open("wb") as written:
            stream.dump(written, "utf-8")
    except OSError as error:
        raise ReportError(
            f"{to} cannot be written: {error.strerror or error}"
        ) from error
    return facts


def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "address": address,
        "digest": style_digest,
        "file": lambda path: "/".join(shown(path).split("/")[-2:]),
        "percent": percent,
        "shown": shown,
        "size": size,
        "whole": "{:,}".format,
        "words": lambda label: label.replace("_", " "),
    }
    return made


def address(path: bytes) -> str:
    """Where a browser on this machine finds a file; empty for an archive's entry."""
    file, entry = apart(path)
    return "" if entry else Path(os.fsdecode(file)).as_uri()


def style_digest(style: str) -> str:
    """Of a style sheet, as a Content-Security-Policy names it."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
