"""Lists in settings that say who is trusted: networks of proxies, origins of web pages."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERYBODY: Final = "*"
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# Browsers write an origin in ASCII, a name of another script in Punycode (RFC 6454).
_ORIGIN: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
)


def networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas: ``10.0.0.0/8, ::1``.

    Raises:
        ValueError: one of them is neither.
    """
    try:
        return tuple(ipaddress.ip_network(part) for part in _parts(text))
    except ValueError as error:
        raise ValueError(
            f"expected addresses and networks such as 127.0.0.1, 10.0.0.0/8: {error}"
        ) from None


def origins(text: str) -> frozenset[str]:
    """Origins as a browser writes them, separated by commas, or ``*`` alone.

    Raises:
        ValueError: one of them is none.
    """
    parts = frozenset(written(part) for part in _parts(text))
    if EVERYBODY in parts and len(parts) > 1:
        raise ValueError("expected either * or a list of origins")
    return parts


def written(origin: str) -> str:
    """An origin as a browser writes it: lower case, without its scheme's own port.

    Raises:
        ValueError: it is none.
    """
    text = origin.lower()
    if text == EVERYBODY:
        return text
    if _ORIGIN.fullmatch(text) is None:
        raise ValueError(
            "expected origins such as https://app.example.com or http://localhost:3000 "
            "(scheme, host and port, no path), or *"
        )
    parts = urlsplit(text)
    if parts.port is not None and parts.port == DEFAULT_PORTS.get(parts.scheme):
        return text.rpartition(":")[0]
    return text


def _parts(text: str) -> list[str]:
    return [part for part in (one.strip() for one in text.split(",")) if part]
