"""Where a request comes from: its peer, or, through proxies that are trusted, who they say it is."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

from common.peers import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Headers = Iterable[tuple[bytes, bytes]]

HOST_BITS: Final = 64  # a customer of IPv6 has at least such a network to himself
# By these a proxy shows that it stands between (RFC 9110, 7.6.3; RFC 7239).
FORWARDING: Final = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"})


def address(text: str) -> Address | None:
    """An address as a proxy or the socket writes it, perhaps with a port or a zone; else None."""
    text = text.strip()
    if text.startswith("["):
        text, closed, port = text[1:].partition("]")
        if not closed or (port and not (port[0] == ":" and port[1:].isdigit())):
            return None
    elif text.count(":") == 1:  # IPv4 with a port; a bare IPv6 address has more
        text, _, port = text.partition(":")
        if not port.isdigit():
            return None
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped  # a socket for both kinds writes IPv4 like this
    return found


def client(
    peer: Sequence[object] | None, headers: Headers, trusted: Sequence[Network]
) -> Address | None:
    """Who asks: the peer, or the right-most address of X-Forwarded-For that is no trusted proxy.

    Each proxy appends whom it heard from, so from the right an entry is as true as the proxy that
    wrote it; the first one that no trusted proxy wrote is anybody's invention. What is no address ends
    the search: then the last proxy known is all that is known.
    """
    found = _of_peer(peer)
    if not trusted or found is None or not _within(found, trusted):
        return found
    entries = b",".join(
        value for name, value in headers if name == b"x-forwarded-for"
    ).decode("latin-1")
    while entries:
        entries, _, last = entries.rpartition(",")
        if not last.strip():
            continue  # an empty element of a list means nothing (RFC 9110, 5.6.1)
        named = address(last)
        if named is None:
            return found
        found = named
        if not _within(found, trusted):
            return found
    return found


def here(peer: Sequence[object] | None, headers: Headers) -> bool:
    """Whether a program on this machine asks by itself.

    A forwarding header can only take that away: a proxy on this machine is here, its clients are not.
    """
    found = _of_peer(peer)
    return (
        found is not None
        and found.is_loopback
        and not any(name in FORWARDING for name, _ in headers)
    )


def counted_as(found: Address | None) -> str:
    """How an address is counted: IPv4 as it is, IPv6 by its network of 64 bits."""
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, HOST_BITS), strict=False))
    return str(found)


def _of_peer(peer: Sequence[object] | None) -> Address | None:
    return address(str(peer[0])) if peer else None


def _within(found: Address, networks: Sequence[Network]) -> bool:
    return any(found in network for network in networks)
