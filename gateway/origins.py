"""Pages of other sites: what they may not make a visitor's browser do, and what they may (CORS).

Off by default: then no foreign page can upload or report through a visitor's browser, nor read an
answer. With ``PICTOR_CORS_ORIGINS`` pages of those origins may call the API, and bring a key of their
own; a browser never adds one for them.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from common.errors import CrossSite
from common.peers import DEFAULT_PORTS, EVERYBODY, written

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
PREFLIGHT_S: Final = 600  # for how long a browser may remember the answer
ALLOWED: Final = (
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, prefer, x-api-key, x-request-id",
    ),
    (b"access-control-max-age", str(PREFLIGHT_S).encode()),
)
EXPOSED: Final = (
    b"access-control-expose-headers",
    b"location, retry-after, server-timing, x-error-code, x-error-detail, x-request-id",
)
HeaderList = tuple[tuple[bytes, bytes], ...]


class Origins:
    """Which pages may call the API."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed

    def check(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Lets pass what no foreign page can have caused.

        The browser's own word is Sec-Fetch-Site, which no page can forge; older ones, and all over
        plain HTTP, send Origin with a POST. A program sends neither. This is the algorithm of Go's
        http.CrossOriginProtection, which needs no token and no cookie.

        Raises:
            CrossSite: a page of another origin, that may not call the API, sent this.
        """
        if method in SAFE:
            return
        site = headers.get(b"sec-fetch-site")
        if site in (b"same-origin", b"none"):  # none: typed in, by the person itself
            return
        origin = headers.get(b"origin")
        if origin is None and site is None:
            return
        if origin is not None:
            if site is None and _same(origin, headers.get(b"host", b"")):
                return
            if self._may_call(path, origin):
                return
        raise CrossSite

    def answer(self, path: str, headers: Mapping[bytes, bytes]) -> HeaderList:
        """What an answer says so that the page which asked may read it; never with credentials."""
        if not self._allowed or not _is_api(path):
            return ()
        everybody = EVERYBODY in self._allowed
        varies = () if everybody else ((b"vary", b"Origin"),)
        origin = headers.get(b"origin")
        if origin is None or not self._may_call(path, origin):
            return varies
        named = b"*" if everybody else origin
        return (*varies, (b"access-control-allow-origin", named), EXPOSED)

    def preflight(
        self, method: str, path: str, headers: Mapping[bytes, bytes]
    ) -> HeaderList:
        """What a browser is told that asks before it sends; empty where this is no such question."""
        origin = headers.get(b"origin")
        asks = method == "OPTIONS" and b"access-control-request-method" in headers
        return ALLOWED if asks and origin and self._may_call(path, origin) else ()

    def _may_call(self, path: str, origin: bytes) -> bool:
        if not self._allowed or not _is_api(path):
            return False
        return EVERYBODY in self._allowed or _text(origin) in self._allowed


def _is_api(path: str) -> bool:
    return path == "/predict" or path.startswith("/v1/")


def _text(origin: bytes) -> str:
    """An origin as a browser writes it; empty where it is none, such as ``null``."""
    try:
        return written(origin.decode("latin-1"))
    except ValueError:
        return ""


def _same(origin: bytes, host: bytes) -> bool:
    """Whether an origin is what this request was sent to. Its scheme is the proxy's business."""
    text = _text(origin)
    if not text or text == EVERYBODY:
        return False
    scheme, _, place = text.partition("://")
    given = host.decode("latin-1").lower()
    try:
        port = urlsplit(f"//{given}").port
    except ValueError:
        return False
    if port is not None and port == DEFAULT_PORTS.get(scheme):
        given = given.rpartition(":")[0]
    return given == place
