"""What is no JPEG, PNG, GIF or WebP, or is one and something else as well."""

import io
import struct
import zipfile
from collections.abc import Iterator

from tests.support.corpus.parts import (
    after_soi,
    chunk,
    header,
    picture,
    png,
    saved,
    segment,
)

SCRIPT = b"<html><script>alert(document.cookie)</script></html>"


def files() -> Iterator[tuple[str, bytes]]:
    """Polyglots first, then files of other kinds."""
    jpeg, still = saved(picture(), "JPEG"), saved(picture("P"), "GIF")
    drawn = saved(picture(), "PNG")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(zipfile.ZipInfo("../../evil.py"), "print('evil')")
    packed = archive.getvalue()
    yield "jpeg and zip", jpeg + packed
    yield "zip and jpeg", packed + jpeg
    yield "gif and script", still[:6] + b"/*" + still[8:] + b"*/=1;alert(1)"
    yield "gif with a script in a comment", still[:-1] + b"!\xfe\x20" + SCRIPT[
        :32
    ] + b"\0;"
    yield "png and html", drawn + SCRIPT
    yield "png with html in a text", png(
        header(1, 1), chunk(b"tEXt", b"html\0" + SCRIPT)
    )
    yield "pdf and jpeg", b"%PDF-1.7\n%" + jpeg
    yield "jpeg with a pdf in a comment", after_soi(
        jpeg, segment(0xFE, b"%PDF-1.7\n1 0 obj")
    )
    yield "jpeg with php", after_soi(
        jpeg, segment(0xFE, b"<?php system($_GET['c']); ?>")
    )
    yield "png within jpeg", after_soi(jpeg, segment(0xEB, drawn[:60_000]))
    yield "jpeg behind a png's signature", drawn[:8] + jpeg
    yield "png behind a jpeg's marker", b"\xff\xd8\xff" + drawn
    yield "gif behind a webp's", b"RIFF\0\0\0\0WEBP" + still
    for name, data in OTHERS.items():
        yield name, data
        yield f"{name}, behind a jpeg's marker", b"\xff\xd8\xff\xe0" + data
    for name in (
        "TIFF",
        "BMP",
        "ICO",
        "PPM",
        "TGA",
        "PCX",
        "SGI",
        "DDS",
        "JPEG2000",
        "ICNS",
    ):
        data = _other(name)
        yield f"a true {name}", data
    for number in range(0, 256, 16):
        yield f"one byte {number}", bytes((number,))
    for signature in (
        b"\xff\xd8\xff",
        drawn[:8],
        b"GIF87a",
        b"GIF89a",
        b"RIFF\x20\0\0\0WEBP",
    ):
        yield f"only {signature!r}", signature
        yield f"{signature!r} and nothing for long", signature + bytes(5000)
        yield f"{signature!r} and all bytes", signature + bytes(range(256)) * 9
        yield f"{signature!r} and the highest byte", signature + b"\xff" * 5000


def _other(name: str) -> bytes:
    return saved(picture(), name)


def _brand(name: bytes) -> bytes:
    return (
        struct.pack(">I", 24) + b"ftyp" + name + b"\0\0\0\0" + b"mif1heic" + bytes(200)
    )


OTHERS = {
    "text": b"this is no picture\n" * 50,
    "html": SCRIPT,
    "json": b'{"file": "../../etc/passwd"}',
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "svg with entities": (
        b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">'
        b'<!ENTITY b "&a;&a;&a;&a;">]><svg>&b;&b;</svg>'
    ),
    "xml": b'<?xml version="1.0"?><feed/>',
    "psd": b"8BPS\0\1" + bytes(300),
    "heic": _brand(b"heic"),
    "avif": _brand(b"avif"),
    "mp4": _brand(b"isom"),
    "quicktime": _brand(b"qt  "),
    "elf": b"\x7fELF\2\1\1" + bytes(300),
    "exe": b"MZ" + bytes(300),
    "gzip": b"\x1f\x8b\x08" + bytes(300),
    "rar": b"Rar!\x1a\x07\0" + bytes(100),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(100),
    "class": b"\xca\xfe\xba\xbe" + bytes(100),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n",
    "pickle": b"cos\nsystem\n(S'true'\ntR.",
    "webm": b"\x1a\x45\xdf\xa3" + bytes(100),
    "wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(100),
    "avi": b"RIFF\x24\0\0\0AVI LIST" + bytes(100),
    "jpeg xl": b"\xff\x0a" + bytes(100),
    "imagetragick": b"push graphic-context\nfill 'url(https://x/\"|true \")'\npop graphic-context",
    "zeros": bytes(10_000),
    "new lines": b"\r\n\r\n" * 1000,
}
