"""Image formats by their first bytes, without opening anything.

Signatures: ITU T.81 (JPEG), RFC 2083 (PNG), GIF89a, RFC 9649 (WebP).
"""

from typing import Final, Literal

_TAKEN: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
_EXTENSIONS: Final = {b"\xff": "jpg", b"\x89": "png", b"G": "gif", b"R": "webp"}
_OTHERS: Final = (
    *(b"BM", b"II*\0", b"MM\0*", b"\0\0\1\0", b"8BPS", b"DDS ", b"\x76\x2f\x31\x01"),
    *(b"P5\n", b"P6\n", b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  "),
)  # BMP, TIFF, ICO, PSD, DDS, OpenEXR; Netpbm, JPEG XL, JPEG 2000
_FTYP: Final = frozenset(
    (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
)
_SVG_WITHIN: Final = 1024  # bytes


def taken(image: bytes | memoryview) -> bool:
    """Whether the first bytes are those of a JPEG, PNG, GIF or WebP."""
    head = bytes(image[:12])
    return head.startswith(_TAKEN) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def extension(image: bytes) -> str:
    """The extension of a file with these bytes, by the first of them; empty where they are not taken."""
    return _EXTENSIONS[image[:1]] if taken(image) else ""


def refused(image: bytes) -> Literal["", "not-an-image", "unsupported-format"]:
    """Why the first bytes cannot be taken (a code of ``common.errors``); empty where they can."""
    if taken(image):
        return ""
    return "unsupported-format" if other(image) else "not-an-image"


def other(image: bytes) -> bool:
    """Whether the first bytes begin an image of a format that is not taken."""
    head = image[:_SVG_WITHIN]
    if head.startswith(_OTHERS):
        return True
    if head[4:8] == b"ftyp":  # HEIC and AVIF, but videos as well
        return head[8:12] in _FTYP
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    xml = text.startswith((b"<?xml", b"<!--", b"<!doctype svg"))
    return text.startswith(b"<svg") or (xml and b"<svg" in text)
