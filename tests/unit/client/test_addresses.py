import pytest

from client.addresses import address
from client.errors import BadAddress, ClientError


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("https://pictor.example.com/below", "https://pictor.example.com/below"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_address_is_taken_without_its_last_slash(given: str, taken: str) -> None:
    assert address(given) == taken


@pytest.mark.parametrize(
    "given",
    [
        *("", "here", "ftp://here", "http://", "http://:8000", "http://here:0"),
        *(
            "http://here:port",
            "http://[::1",
            "http://a b",
            "http://a?x=1",
            "http://a\n",
        ),
    ],
)
def test_what_is_none_says_how_one_looks(given: str) -> None:
    with pytest.raises(BadAddress, match="http://"):
        address(given)


def test_a_key_that_cannot_be_sent_is_refused_before() -> None:
    with pytest.raises(ClientError, match="no key has"):
        address("http://here", "k\r\nX: y")
    with pytest.raises(BadAddress, match="give one"):
        address("http://name:password@here", "key")
