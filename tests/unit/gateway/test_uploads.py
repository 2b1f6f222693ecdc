"""From a body to image bytes: found whole, or refused for the right reason."""

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.errors import (
    EmptyFile,
    NoFile,
    NotAnImage,
    RequestError,
    TooMany,
    UnsupportedFormat,
)
from gateway.uploads import image_of, images_of

JPEG = b"\xff\xd8\xff\xe0 a picture \r\n\r\n--\r\n--X and more"
FORM = "multipart/form-data; boundary=XyZ"
FILE = b'Content-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg'
TEXT = b'Content-Disposition: form-data; name="comment"'


def form(
    *parts: tuple[bytes, bytes], preamble: bytes = b"", end: bytes = b"--"
) -> bytes:
    """A body of parts, each a head and its data, with the boundary XyZ."""
    written = b"".join(b"--XyZ\r\n%s\r\n\r\n%s\r\n" % part for part in parts)
    return preamble + written + b"--XyZ" + end + b"\r\n"


@pytest.mark.parametrize(
    "body",
    [
        form((FILE, JPEG)),
        form((TEXT, b"nice"), (FILE, JPEG)),
        form((FILE, JPEG), (TEXT, b"nice")),
        form((TEXT, b""), (FILE, JPEG), (TEXT, b"\r\n\r\n")),
        form((TEXT, b'name="file"'), (FILE, JPEG)),
        form((b"Content-Type: text/plain", b"nameless"), (FILE, JPEG)),
        form((FILE, JPEG), preamble=b"This is a message in many parts.\r\n"),
        form(*[(TEXT, b"")] * 99, (FILE, JPEG)),
        form((FILE, JPEG), preamble=b"\r\n\r\n"),
        form((FILE, JPEG), end=b"--\r\nan epilogue"),
        form((b'content-DISPOSITION:form-data;NAME="file"', JPEG)),
        form((b"Content-Disposition: form-data; name=file", JPEG)),
        form((b'Content-Type: image/jpeg\r\nContent-Disposition: form-data; name="file"', JPEG)),
        form((b'Content-Disposition: form-data; filename="a.jpg"; name="file"', JPEG)),
        form((b'Content-Disposition: form-data; name="x"; filename="file"', b"x"), (FILE, JPEG)),
    ],
)  # fmt: skip
def test_the_field_is_found_wherever_it_stands(body: bytes) -> None:
    assert image_of(FORM, body) == JPEG


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="XyZ"',
        "Multipart/Form-Data; Boundary=XyZ",
        "multipart/form-data; charset=utf-8; boundary=XyZ; x=y",
        "multipart/form-data;boundary=XyZ",
        "multipart/form-data; boundary=XyZ ; charset=utf-8",
    ],
)
def test_a_boundary_may_be_written_in_many_ways(content_type: str) -> None:
    assert image_of(content_type, form((FILE, JPEG))) == JPEG


@pytest.mark.parametrize(
    "boundary", ["----WebKitFormBoundary7MA4YWxk", "a'()+_,-./:=?z", "a b", "x" * 70]
)
def test_any_boundary_of_the_standard_will_do(boundary: str) -> None:
    """RFC 2046: up to 70 characters, some of which must be quoted."""
    body = form((FILE, JPEG)).replace(b"XyZ", boundary.encode())
    assert image_of(f'multipart/form-data; boundary="{boundary}"', body) == JPEG


@pytest.mark.parametrize(
    "data",
    [
        b"--XyZ",
        b"\n--XyZ--\r\n",
        b"\r\n--XyY",
        b"\r\n-XyZ",
        b"\r\n--Xy\r\nZ",
        b"\r\n\r\n\r\n",
        b"\r",
    ],
)
def test_what_looks_like_a_boundary_within_the_data_is_data(data: bytes) -> None:
    image = JPEG + data
    assert image_of(FORM, form((FILE, image), (TEXT, b"x"))) == image


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--XyZ--\r\n",
        form((TEXT, b"nice")),
        form((TEXT, JPEG)),
        form((FILE.replace(b'"file"', b'"File"'), JPEG)),
        form((FILE.replace(b'"file"', b'"files"'), JPEG)),
        form((b'Content-Disposition: attachment; name="file"', JPEG)),
        form((FILE.replace(b"a.jpg", b""), b"")),
        form((b'Content-Disposition: form-data; name="file"', b"")),
        form((FILE, JPEG)).replace(b"--XyZ--\r\n", b""),
        form((FILE, JPEG))[:40],
        form((FILE, JPEG)).replace(b"XyZ", b"other"),
        form(*[(TEXT, b"")] * 100, (FILE, JPEG)),
        form((b"X: " + b" " * 16_384 + b"\r\n" + FILE, JPEG)),
        JPEG,
    ],
)
def test_a_form_without_the_field_has_no_file(body: bytes) -> None:
    """Nor has one that was cut off, or in which nothing was chosen, or that takes long to look through."""
    with pytest.raises(NoFile):
        image_of(FORM, body)


def test_of_several_none_gets_lost() -> None:
    three = form((FILE, JPEG), (TEXT, b"x"), (FILE, b""), (FILE, JPEG + b"2"))
    assert images_of(FORM, three, 3) == [JPEG, b"", JPEG + b"2"]
    with pytest.raises(TooMany):
        images_of(FORM, three, 2)
    cut = three.replace(b"--XyZ--\r\n", b"")
    for body in (cut, form((FILE, JPEG), *[(TEXT, b"")] * 100, (FILE, JPEG))):
        with pytest.raises(NoFile):
            images_of(FORM, body, 3)


@pytest.mark.parametrize("content_type", ["multipart/form-data", FORM + ";", FORM])
def test_a_file_with_a_name_and_no_bytes_is_empty(content_type: str) -> None:
    body = form((FILE, b""))
    with pytest.raises(EmptyFile if "boundary" in content_type else NoFile):
        image_of(content_type, body)


@pytest.mark.parametrize(
    "content_type",
    ["", "image/jpeg", "application/octet-stream", "application/x-www-form-urlencoded"],
)
def test_a_raw_body_is_the_image(content_type: str) -> None:
    """The last is what curl says of any ``--data-binary``."""
    assert image_of(content_type, JPEG) == JPEG
    with pytest.raises(NoFile):
        image_of(content_type, b"")


def test_a_form_without_files_has_no_file() -> None:
    with pytest.raises(NoFile):
        image_of("application/x-www-form-urlencoded", b"file=dog.jpg")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize(
    ("image", "refusal"),
    [
        (b"\xff\xd8\xff", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"GIF87a", None),
        (b"GIF89a", None),
        (b"RIFF\x10\0\0\0WEBPVP8 ", None),
        (b"BM\x36\0\0\0", UnsupportedFormat),
        (b"II*\0\x08\0\0\0", UnsupportedFormat),
        (b"MM\0*\0\0\0\x08", UnsupportedFormat),
        (b"\0\0\1\0\1\0\x10\x10", UnsupportedFormat),
        (b"8BPS\0\1", UnsupportedFormat),
        (b"\xff\x0a", UnsupportedFormat),
        (b"P6\n2 2\n255\n", UnsupportedFormat),
        (b"\0\0\0\x0cJXL \r\n\x87\n", UnsupportedFormat),
        (b"\0\0\0\x0cjP  \r\n\x87\n", UnsupportedFormat),
        (b"DDS |\0\0\0", UnsupportedFormat),
        (b"\x76\x2f\x31\x01", UnsupportedFormat),
        (b"\0\0\0\x18ftypheic", UnsupportedFormat),
        (b"\0\0\0\x18ftypavif", UnsupportedFormat),
        (SVG, UnsupportedFormat),
        (b"\xef\xbb\xbf \n" + SVG, UnsupportedFormat),
        (b'<?xml version="1.0"?>' + SVG, UnsupportedFormat),
        (b"\0\0\0\x18ftypmp42", NotAnImage),
        (b"RIFF\x10\0\0\0WAVEfmt ", NotAnImage),
        (b"%PDF-1.7", NotAnImage),
        (b"hello", NotAnImage),
        (b"\0", NotAnImage),
        (b"\xff\xd8", NotAnImage),
        (b"<?xml version='1.0'?><feed/>", NotAnImage),
        (b"<html>", NotAnImage),
        (b'{"file": "dog.jpg"}', NotAnImage),
    ],
)
def test_the_first_bytes_decide(
    image: bytes, refusal: type[RequestError] | None
) -> None:
    for content_type, body in (("", image), (FORM, form((FILE, image)))):
        if refusal is None:
            assert image_of(content_type, body) == image
        else:
            with pytest.raises(refusal):
                image_of(content_type, body)


names = st.text(min_size=1, max_size=20)


@given(
    content=st.binary(),
    name=names,
    others=st.dictionaries(names.filter(lambda n: n != "file"), st.text(max_size=30)),
    first=st.booleans(),
)
def test_what_an_encoder_writes_is_found_byte_for_byte(
    content: bytes, name: str, others: dict[str, str], first: bool
) -> None:
    image = JPEG + content
    files = [("file", (name, image)), ("extra", ("b.png", b"other"))]
    request = httpx.Request(
        *("POST", "http://pictor/predict"),
        files=files if first else files[::-1],
        data=others,
    )
    content_type = request.headers["content-type"]
    assume(content_type.rpartition("=")[2].encode() not in image)
    assert image_of(content_type, request.read()) == image


pieces = st.sampled_from(
    [
        b"--XyZ",
        b"--",
        b"\r\n",
        b"\r\n\r\n",
        FILE,
        TEXT,
        JPEG,
        b'"',
        b";",
        b"name=",
        b"\0",
    ]
)
bodies = st.binary() | st.lists(pieces | st.binary(max_size=5)).map(b"".join)
types = st.text() | st.sampled_from([FORM, "multipart/form-data", "image/png"])


@given(types | st.text().map(lambda t: f"multipart/form-data; boundary={t}"), bodies)
def test_garbage_is_refused_never_a_crash(content_type: str, body: bytes) -> None:
    try:
        assert image_of(content_type, body) in body
    except RequestError as error:
        assert 400 <= error.status < 500
