"""What can go wrong with one picture, in one tree.

::

    ClientError
    ├── Unreadable      the file cannot be read
    ├── Refused         the server says no, and will say so again
    ├── PatienceOver    it was tried until the caller's patience was over
    ├── BadAnswer       whoever answers there is not Pictor
    └── BadAddress      what was given as the server's address is none

What may pass by itself (a full queue, no worker yet, a broken connection) is no error as long as there
is patience: it is waited for and tried again.
"""

from common.errors import PictorError


class ClientError(PictorError):
    """The root of all that this client raises."""


class Unreadable(ClientError):
    """The file cannot be read; the message says why."""


class Refused(ClientError):
    """The server refuses this picture, or this caller.

    Attributes:
        status: the HTTP status.
        code: a stable slug, such as ``broken-image``; ``common/errors.py`` lists them.
        detail: what is wrong and what to do about it.
        request_id: what to tell the server's operator.
    """

    def __init__(
        self, status: int, code: str, detail: str, request_id: str = ""
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.request_id = request_id


class PatienceOver(ClientError):
    """No answer within the time that the caller gave; the message says what came last."""


class BadAnswer(ClientError):
    """An answer that is not one of Pictor's."""


class BadAddress(ClientError, ValueError):
    """No address of a server; the message says how one begins."""
