"""Bodies of requests that are no form, or one that tries to confuse its reader."""

from collections.abc import Iterator

from tests.support.corpus.foreign import OTHERS
from tests.support.corpus.parts import picture, saved

FORM = "multipart/form-data; boundary=b"
NAMED = b'Content-Disposition: form-data; name="file"; filename="x.jpg"\r\n'


def forms() -> Iterator[tuple[str, str, bytes]]:
    """What is wrong with it, its content type, its body. Deterministic, as `files` is."""
    jpeg = saved(picture(), "JPEG")
    whole = part(NAMED, jpeg) + b"--b--\r\n"
    yield "in order", FORM, whole
    for name, content_type in TYPES.items():
        yield name, content_type, whole
    for place in range(0, len(NAMED) + 60, 7):
        yield f"cut at {place}", FORM, whole[:place]
    for back in (1, 2, 3, 4, 6, 8, 9, 30):
        yield f"cut {back} before its end", FORM, whole[:-back]
    for name, data in OTHERS.items():
        yield f"{name} named x.jpg", FORM, part(NAMED, data) + b"--b--\r\n"
    yield from _names(jpeg)
    yield from _parts(jpeg)
    for kind in ("image/jpeg", "", "text/plain", "application/json", "a" * 4000):
        yield f"a picture as {kind[:20]}", kind, jpeg
        yield f"nothing as {kind[:20]}", kind, b""
        yield f"NULs as {kind[:20]}", kind, bytes(4096)
    yield "form, encoded in the URL's way", "application/x-www-form-urlencoded", b"file=" + jpeg
    yield "JSON with the picture's name", "application/json", b'{"file": "x.jpg"}'


TYPES = {
    "no boundary": "multipart/form-data",
    "empty boundary": "multipart/form-data; boundary=",
    "boundary of quotes": 'multipart/form-data; boundary=""""',
    "another boundary": "multipart/form-data; boundary=c",
    "two boundaries": "multipart/form-data; boundary=c; boundary=b",
    "boundary of 5,000": "multipart/form-data; boundary=" + "b" * 5000,
    "boundary of dashes": "multipart/form-data; boundary=--",
    "boundary of one dash": "multipart/form-data; boundary=-",
    "boundary like a pattern": "multipart/form-data; boundary=(b+)+$",
    "boundary not ASCII": "multipart/form-data; boundary=b\xe9",
    "another charset": "multipart/form-data; charset=utf-16; boundary=b",
    "mixed": "multipart/mixed; boundary=b",
    "upper case": "MULTIPART/FORM-DATA; BOUNDARY=b",
}


def part(head: bytes, body: bytes, boundary: bytes = b"b") -> bytes:
    """A part of a form."""
    return b"--" + boundary + b"\r\n" + head + b"\r\n" + body + b"\r\n"


def _names(jpeg: bytes) -> Iterator[tuple[str, str, bytes]]:
    for name in (
        *(b"../../../../etc/passwd", b"C:\\\\windows\\\\win.ini", b"/dev/zero", b"CON"),
        *(
            b"x.jpg\0.php",
            b"\xff\xfe\xfd",
            b"a" * 30_000,
            b"%2e%2e%2f",
            b"; name=other",
        ),
        *(b'\\"; name=\\"other', b"", b"=?utf-8?q?=00?=", b"\xe2\x80\xae.gpj.exe"),
    ):
        head = (
            b'Content-Disposition: form-data; name="file"; filename="' + name + b'"\r\n'
        )
        yield f"named {name[:30]!r}", FORM, part(head, jpeg) + b"--b--\r\n"
    for field in (b"FILE", b"file[]", b"file\0", b"", b"x" * 30_000, b"fi\r\nle"):
        head = b'Content-Disposition: form-data; name="' + field + b'"\r\n'
        yield f"field {field[:30]!r}", FORM, part(head, jpeg) + b"--b--\r\n"
    for head in (
        *(b"", b"\r\n", b"Content-Disposition\r\n", b"Content-Disposition: file\r\n"),
        *(b"Content-Disposition: form-data; name=file\r\n", b":" * 3000 + b"\r\n"),
        *(
            b"\tContent-Disposition: form-data;\r\n name=file\r\n",
            b"\0" * 500 + b"\r\n",
        ),
        *(NAMED * 100, NAMED + b"Content-Transfer-Encoding: base64\r\n"),
        *(NAMED + b"X: " + b"y" * 60_000 + b"\r\n", NAMED + b"X: y\r\n" * 10_000),
        b'Content-Disposition: form-data; name="' + b'";name="' * 5000 + b"\r\n",
    ):
        yield f"head {head[:40]!r}, {len(head)}", FORM, part(head, jpeg) + b"--b--\r\n"


def _parts(jpeg: bytes) -> Iterator[tuple[str, str, bytes]]:
    end = b"--b--\r\n"
    other = b'Content-Disposition: form-data; name="other"\r\n'
    yield "5,000 other fields first", FORM, part(other, b"x") * 5000 + part(
        NAMED, jpeg
    ) + end
    yield "20,000 fields", FORM, part(other, b"") * 20_000 + end
    yield "two files", FORM, part(NAMED, jpeg) + part(NAMED, b"no picture") + end
    yield "two files, the first bad", FORM, part(NAMED, b"no picture") + part(
        NAMED, jpeg
    ) + end
    yield "200 files", FORM, part(NAMED, jpeg) * 200 + end
    yield "empty file, then a good one", FORM, part(NAMED, b"") + part(
        NAMED, jpeg
    ) + end
    yield "boundary in the data", FORM, part(NAMED, jpeg + b"\r\n--b\r\n" + jpeg) + end
    yield "boundary begun in the data", FORM, part(
        NAMED, jpeg + b"\r\n--" + b"\r\n-" * 999
    ) + end
    yield "no end", FORM, part(NAMED, jpeg)
    yield "only ends", FORM, end * 5000
    yield "only boundaries", FORM, b"--b\r\n" * 20_000
    yield "only line ends", FORM, b"\r\n" * 50_000
    yield "a preamble", FORM, b"hello\r\n" * 5000 + part(NAMED, jpeg) + end
    yield "an epilogue", FORM, part(NAMED, jpeg) + end + jpeg * 20
    yield "line feeds alone", FORM, (part(NAMED, b"") + end).replace(b"\r\n", b"\n")
    inner = part(NAMED, jpeg, b"c") + b"--c--\r\n"
    nested = b"Content-Type: multipart/mixed; boundary=c\r\n"
    yield "a form in a form", FORM, part(other + nested, inner) + end
    yield "a form as the file", FORM, part(NAMED + nested, inner) + end
    yield "NULs between", FORM, part(other, bytes(9999)) + part(NAMED, jpeg) + end
    yield "chunked by hand", FORM, b"5\r\n--b\r\n\r\n0\r\n\r\n"
