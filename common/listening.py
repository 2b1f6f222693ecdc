"""The gateway's listening socket: bound once, before anything is started, and handed down."""

import socket
from typing import Final

from common.errors import StartError
from common.settings import Settings

BACKLOG: Final = 2048  # connections that may wait to be accepted


def listen(settings: Settings) -> socket.socket:
    """Binds PICTOR_HOST and PICTOR_PORT.

    Raises:
        StartError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server(
            (settings.host, settings.port), family=family, backlog=BACKLOG
        )
    except OSError as error:
        raise StartError(
            f"cannot listen on {address(settings)}: {error.strerror or error}; "
            "stop what uses it, or set PICTOR_PORT"
        ) from None


def address(settings: Settings) -> str:
    """Host and port as they stand in an address."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"
