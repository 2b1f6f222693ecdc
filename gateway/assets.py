"""The pages' own files: read once, sent compressed, and not at all to a browser that has them.

Their names carry no version, so a browser asks each time whether it has the newest; the answer is
304 without a body, or the file.
"""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
COMPRESSED: Final = frozenset({".css", ".js", ".svg"})
HEADERS: Final = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}


@dataclass(frozen=True)
class Asset:
    """A file as it is sent.

    Attributes:
        kind: its content type.
        tag: a weak entity tag (RFC 9110, 8.8.3), the same for both encodings, without the ``W/""``.
        plain: its bytes.
        packed: the same by gzip; empty where that gains nothing.
    """

    kind: str
    tag: str
    plain: bytes
    packed: bytes

    @classmethod
    def of(cls, data: bytes, suffix: str) -> Self:
        """From a file's bytes and the end of its name, dot included."""
        packed = gzip.compress(data, mtime=0) if suffix in COMPRESSED else b""
        if len(packed) >= len(data):
            packed = b""
        return cls(KINDS[suffix], hashlib.sha256(data).hexdigest()[:20], data, packed)


def read(folder: Path) -> dict[str, Asset]:
    """All files of a folder and those within it, by their path from there; others' kinds are left out."""
    return {
        path.relative_to(folder).as_posix(): Asset.of(path.read_bytes(), path.suffix)
        for path in sorted(folder.rglob("*"))
        if path.suffix in KINDS and path.is_file()
    }
