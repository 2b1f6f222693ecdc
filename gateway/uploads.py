"""A request's body to image bytes. The gateway opens no image: it looks at the first bytes only.

The whole body is there when this is called, its length already bounded (`gateway.limits`). The form
field is found by its boundary in one pass: a general form parser costs more than all the rest of the
gateway together.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from common import formats
from common.errors import EmptyFile, NoFile, TooMany, from_code

FIELD: Final = b"file"
# Millions of them fit into a body, and while they are looked through nobody else is served.
MOST_PARTS: Final = 100
LONGEST_HEAD: Final = 16 * 1024  # bytes of a part, before its data
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?', re.IGNORECASE)
_DISPOSITION = re.compile(
    rb"^content-disposition:\s*form-data\s*(;.*)$", re.IGNORECASE | re.MULTILINE
)
_NAME = re.compile(rb';\s*name="?([^";\r]*)"?', re.IGNORECASE)
_FILE_NAME = re.compile(rb';\s*filename\*?="?([^";\r]*)"?', re.IGNORECASE)


def image_of(content_type: str, body: bytes) -> bytes:
    """The image in a request: the form field ``file``, or the body itself.

    Raises:
        NoFile, EmptyFile: there is none.
        NotAnImage, UnsupportedFormat: its first bytes are not those of a format we take.
    """
    if content_type.lower().startswith("multipart/form-data"):
        image = _field(content_type, body)
    else:
        image = body
        if not image or (_urlencoded(content_type) and formats.refused(image)):
            raise NoFile
    check(image)
    return image


def images_of(content_type: str, body: bytes, most: int) -> list[bytes]:
    """All form fields ``file`` of a request, in order, whatever is in them.

    Raises:
        NoFile: there is none.
        TooMany: there are more than `most`.
    """
    found: list[bytes] = []
    if content_type.lower().startswith("multipart/form-data"):
        found += (data for _, data in islice(_fields(content_type, body), most + 1))
    if not found:
        raise NoFile("Send the pictures as form fields 'file' (multipart/form-data).")
    if len(found) > most:
        raise TooMany(f"At most {most} pictures are taken at once.")
    return found


def check(image: bytes) -> None:
    """Raises NotAnImage or UnsupportedFormat where the first bytes are not those of a format we take."""
    if code := formats.refused(image):
        raise from_code(code)


def _urlencoded(content_type: str) -> bool:
    """A form without files; but also what curl says of any ``--data-binary``."""
    return content_type.lower().startswith("application/x-www-form-urlencoded")


def _field(content_type: str, body: bytes) -> bytes:
    """The first form field ``file``."""
    for named, data in _fields(content_type, body):
        if not data:
            raise EmptyFile if named else NoFile
        return data
    raise NoFile


def _fields(content_type: str, body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The form fields ``file``: each one's file name, which may be missing, and its data.

    Raises NoFile where the form does not end as it should: what is missing may have been one.
    """
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise NoFile
    delimiter = b"--" + match[1].rstrip().encode("latin-1", "replace")
    start = body.find(delimiter)
    for _ in range(MOST_PARTS):
        if start >= 0 and body.startswith(b"--", start + len(delimiter)):
            return
        head_end = body.find(b"\r\n\r\n", start, start + LONGEST_HEAD)
        if start < 0 or head_end < 0:
            break
        end = body.find(b"\r\n" + delimiter, head_end + 2)
        if end < 0:
            break
        disposition = _DISPOSITION.search(body, start, head_end)
        if disposition is not None and _first(_NAME, disposition[1]) == FIELD:
            yield _first(_FILE_NAME, disposition[1]), body[head_end + 4 : end]
        start = end + 2
    raise NoFile("The form is cut off, or has too many fields.")


def _first(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    match = pattern.search(text)
    return match[1].strip() if match is not None else b""
