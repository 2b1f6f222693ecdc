"""Lists of those who are trusted: proxies by address, web pages by origin."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.peers import networks, origins


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        (" , ", 0),
        ("127.0.0.1", 1),
        ("10.0.0.0/8, ::1 ,fd00::/8,", 3),
        ("10.0.0.0/255.0.0.0", 1),
    ],
)
def test_networks_are_read(text: str, count: int) -> None:
    assert len(networks(text)) == count


@given(st.lists(st.ip_addresses()))
def test_an_address_is_a_network_of_one(
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address],
) -> None:
    found = networks(",".join(map(str, addresses)))
    assert [one.network_address for one in found] == addresses
    assert all(one.num_addresses == 1 for one in found)


@pytest.mark.parametrize(
    "text", ["proxy", "10.0.0.1/8", "1.2.3", "1.2.3.4:80", "10.0.0.0/33", "*"]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    """Also an address with bits beside its network: which of the two was meant?"""
    with pytest.raises(ValueError, match="expected addresses and networks"):
        networks(f"::1,{text}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", set()),
        ("*", {"*"}),
        ("https://a.example", {"https://a.example"}),
        ("HTTPS://A.Example:443, http://b:80", {"https://a.example", "http://b"}),
        ("http://localhost:3000", {"http://localhost:3000"}),
        ("https://[::1]:8443", {"https://[::1]:8443"}),
        ("http://[::1]:80", {"http://[::1]"}),
        ("chrome-extension://abcdef", {"chrome-extension://abcdef"}),
    ],
)
def test_origins_are_written_as_browsers_do(text: str, found: set[str]) -> None:
    assert origins(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "a.example",
        "https://a.example/",
        "https://a.example/path",
        "https://*.example",
        "https://user@a.example",
        "https://a.example:port",
        "https://a.example:99999",
        "https://bücher.example",
        "null",
        "https://",
        "*,https://a.example",
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        origins(text)
