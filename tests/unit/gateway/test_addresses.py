"""Who asks: the peer, and through proxies that are trusted whom they name; nobody can invent himself."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.peers import networks
from gateway.addresses import Address, address, client, counted_as, here

PROXIES = networks("10.0.0.0/8,fd00::/8,127.0.0.1")
PEER = ("10.0.0.1", 4711)
ip = ipaddress.ip_address
public = st.ip_addresses().filter(
    lambda one: (
        not any(one in network for network in PROXIES)
        and getattr(one, "ipv4_mapped", None) is None
    )
)
proxies = st.sampled_from(["10.1.2.3", "10.255.0.1", "fd00::7"])


def forwarded(*lines: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", line.encode("latin-1")) for line in lines]


def named(*lines: str, peer: str = "10.0.0.1") -> str:
    return str(client((peer, 1), forwarded(*lines), PROXIES))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:443", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_addresses_are_read_as_they_are_written(text: str, found: str) -> None:
    assert str(address(text)) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", "unknown", "_hidden", "localhost", "1.2.3", "1.2.3.4.5", "01.2.3.4"),
        *("192.0.2.1:", "192.0.2.1:x", "[::1", "[::1]x", "[::1]:", "::1]", '"::1"'),
        *("1.2.3.4:80:80", "１.2.3.4", "127.1", "0x7f.1", "-1"),
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert address(text) is None


@given(st.text() | st.binary().map(lambda some: some.decode("latin-1")))
def test_rubbish_is_no_address_and_no_error(text: str) -> None:
    found = address(text)
    assert found is None or address(str(found)) == found


@given(st.ip_addresses(), st.integers(0, 65535))
def test_an_address_is_the_same_with_a_port(given_ip: Address, port: int) -> None:
    bracketed = f"[{given_ip}]" if given_ip.version == 6 else str(given_ip)
    assert address(f"{bracketed}:{port}") == address(str(given_ip)) is not None


def test_who_is_no_proxy_is_himself_whatever_he_says() -> None:
    assert named("192.0.2.9", peer="198.51.100.1") == "198.51.100.1"
    assert str(client(PEER, forwarded("192.0.2.9"), ())) == "10.0.0.1"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ((), "10.0.0.1"),
        (("192.0.2.1",), "192.0.2.1"),
        (("203.0.113.9, 192.0.2.1",), "192.0.2.1"),
        (("203.0.113.9", "192.0.2.1"), "192.0.2.1"),
        (("192.0.2.1, 10.0.0.7, fd00::7",), "192.0.2.1"),
        (("192.0.2.1", "10.0.0.7", "[fd00::7]:80"), "192.0.2.1"),
        (("192.0.2.1,,  ,",), "192.0.2.1"),
        (("10.0.0.9, 10.0.0.8",), "10.0.0.9"),
        (("192.0.2.1, unknown",), "10.0.0.1"),
        (("192.0.2.1, unknown, 10.0.0.7",), "10.0.0.7"),
        (("unknown, 192.0.2.1",), "192.0.2.1"),
        (("\xff\x00, 192.0.2.1:55",), "192.0.2.1"),
    ],
)
def test_through_proxies_it_is_the_last_who_is_none(
    lines: tuple[str, ...], found: str
) -> None:
    assert named(*lines) == found


@given(st.lists(st.text()), public, st.lists(proxies))
def test_what_a_client_invents_changes_nothing(
    invented: list[str], real: Address, between: list[str]
) -> None:
    """Whatever stands left of what the outermost trusted proxy wrote."""
    lines = [
        *(one.encode("latin-1", "replace").decode("latin-1") for one in invented),
        ", ".join([str(real), *between]),
    ]
    assert client(PEER, forwarded(*lines), PROXIES) == real


@given(st.lists(st.binary()))
def test_rubbish_in_the_header_is_no_error(lines: list[bytes]) -> None:
    headers = [(b"x-forwarded-for", line) for line in lines]
    assert client(PEER, headers, PROXIES) is not None


def test_a_peer_without_an_address_is_nobody() -> None:
    """On a unix socket."""
    assert client(None, forwarded("192.0.2.1"), PROXIES) is None
    assert not here(None, [])


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_here(peer: str) -> None:
    assert here((peer, 1), [(b"host", b"x")])


@pytest.mark.parametrize("peer", ["10.0.0.1", "192.0.2.1", "2001:db8::1", "0.0.0.0"])
@pytest.mark.parametrize("said", ["127.0.0.1", "::1"])
def test_other_machines_are_not_whatever_they_say(peer: str, said: str) -> None:
    assert not here((peer, 1), forwarded(said))
    assert not here((peer, 1), [])


@pytest.mark.parametrize(
    "name", [b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"]
)
def test_whom_a_proxy_on_this_machine_speaks_for_is_not_here(name: bytes) -> None:
    assert not here(("127.0.0.1", 1), [(name, b"127.0.0.1")])


def test_addresses_are_counted_by_what_a_customer_has() -> None:
    one, two = ip("2001:db8:0:1::1"), ip("2001:db8:0:1:ffff::2")
    assert counted_as(one) == counted_as(two) == "2001:db8:0:1::/64"
    assert counted_as(ip("2001:db8:0:2::1")) != counted_as(one)
    assert counted_as(ip("192.0.2.1")) != counted_as(ip("192.0.2.2"))
