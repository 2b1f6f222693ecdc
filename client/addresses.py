"""What may be the address of a server, and what may be a key for it."""

from urllib.parse import urlsplit

from client.errors import BadAddress, ClientError


def address(url: str, key: str = "") -> str:
    """The address without a slash at its end.

    Raises:
        BadAddress: it is none.
        ClientError: the key cannot be sent.
    """
    if not url.startswith(("http://", "https://")):
        raise BadAddress(f"{url} is no address; it begins with http:// or https://")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # of brackets, ports, and names that no server can have
        host, port = "", None
    if not host or port == 0 or not url.isprintable() or set(" ?#") & set(url):
        raise BadAddress(f"{url} is no address; it looks like http://127.0.0.1:8000")
    if key and "@" in parts.netloc:
        raise BadAddress("an address with a name in it, and a key beside: give one")
    if not (key.isascii() and key.isprintable()):
        raise ClientError("the API key has characters in it that no key has")
    return url.rstrip("/")
