"""Everything that can go wrong and be told, in one tree.

::

    PictorError
    ├── StartError                    a process cannot start; one line says why
    │   └── SettingsError             a setting has a wrong value or an unknown name
    └── RequestError                  has an HTTP status, a stable code and a message safe to show
        ├── BadParameter      400     a query parameter or JSON field is wrong
        ├── NoFile            400     no form field ``file`` and no raw body
        ├── EmptyFile         400     the file has no bytes
        ├── NotAnImage        400     its first bytes belong to no image format
        ├── BrokenImage       400     truncated or damaged
        ├── OtherPicture      400     not the picture that the report is about
        ├── Unauthorized      401     no API key, or one that is not known here
        ├── Forbidden         403     the key, or the place asked from, does not allow it
        ├── CrossSite         403     a browser sent it for a page of another site
        ├── KeepingOff        403     no picture is kept here, whoever asks
        ├── TooSlow           408     its bytes do not come at the least pace
        ├── LengthRequired    411     a body whose length is not announced
        ├── TooLarge          413     more bytes than PICTOR_MAX_UPLOAD_MB
        ├── TooMany           413     more pictures in one request than are taken
        ├── UnsupportedFormat 415     an image, but not JPEG, PNG, GIF or WebP
        ├── TooManyPixels     422     more pixels than PICTOR_MAX_MEGAPIXELS
        ├── Undecodable       422     its decoder died, starved or never ended
        ├── DeadLetter        422     three workers died on it alone
        ├── UnknownResult     404     no such request, or its result has expired
        ├── UnknownReport     404     no such report, or not the one who wrote it
        ├── QueueFull         429     the backlog or the expected wait leaves no room
        ├── QuotaExceeded     429     more requests a minute than this caller may send
        ├── Busy              429     this gateway holds as many bytes as it may
        ├── NoWorker          503     nobody is there to do the work
        ├── NoExplainer       503     nobody is there to say what the network looked at
        ├── NoStream          503     as many follow the live figures as may
        ├── BrokerAway        503     Redis does not answer
        ├── BrokerFull        503     Redis has no memory or disk left
        ├── RequestLost       503     Redis lost the request in a crash
        ├── DeadlinePassed    504     not answered within PICTOR_DEADLINE_S
        └── CannotKeep        507     the folder of kept pictures cannot be written to

A message never holds a byte of the user's: what is shown is written here. A failure crosses the wire
as its code (see ``common.wire``), and ``from_code`` makes the error again on the other side.
"""

from typing import ClassVar


class PictorError(Exception):
    """The root of all errors that Pictor raises on purpose."""


class StartError(PictorError):
    """A process cannot start. Its text is one line that says what to do."""


class SettingsError(StartError):
    """A setting has a wrong value, or its name is unknown."""


class RequestError(PictorError):
    """A request ends without an answer.

    Attributes:
        status: the HTTP status.
        code: a stable slug; the last part of ``type`` in problem details.
        title: what is wrong, for this class of problem.
        advice: what to do about it. ASCII, together with the title at most 200 characters.
        retry_after_s: seconds after which trying again makes sense, or None.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"
    title: ClassVar[str] = "The request failed."
    advice: ClassVar[str] = "Try again."

    def __init__(
        self, advice: str | None = None, *, retry_after_s: float | None = None
    ) -> None:
        self.detail = f"{self.title} {advice or self.advice}"
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)


class BadParameter(RequestError):
    status, code = 400, "bad-parameter"
    title = "A parameter is wrong."
    advice = "See /docs for what is allowed."


class NoFile(RequestError):
    status, code = 400, "no-file"
    title = "No file was sent."
    advice = "Choose a picture; a program sends it as the form field 'file' or as the raw body."


class EmptyFile(RequestError):
    status, code = 400, "empty-file"
    title = "The file is empty."
    advice = "Choose a picture that has something in it."


class NotAnImage(RequestError):
    status, code = 400, "not-an-image"
    title = "The file is not a picture, whatever its name says."
    advice = "Send a JPEG, PNG, GIF or WebP."


class BrokenImage(RequestError):
    status, code = 400, "broken-image"
    title = "The picture is damaged or cut off."
    advice = "Copy or download it again, or save it anew, then send that file."


class OtherPicture(RequestError):
    status, code = 400, "other-picture"
    title = "This is not the picture that the report is about."
    advice = "Send the same file that was classified, byte by byte."


class Unauthorized(RequestError):
    status, code = 401, "unauthorized"
    title = "A valid API key is needed."
    advice = (
        "A program sends it as bearer token or in X-API-Key; "
        "in a browser it is the password, with any name."
    )


class Forbidden(RequestError):
    status, code = 403, "forbidden"
    title = "Access is denied."
    advice = "Ask the operator for a key with the scope that this address needs."


class CrossSite(RequestError):
    status, code = 403, "cross-site"
    title = "A page of another site sent this."
    advice = "Use Pictor's own page, or have the operator allow that site in PICTOR_CORS_ORIGINS."


class KeepingOff(RequestError):
    status, code = 403, "keeping-off"
    title = "No pictures are kept here."
    advice = "The report is stored without it; the operator can set PICTOR_KEPT_PICTURES_DAYS."


class UnknownResult(RequestError):
    status, code = 404, "unknown-result"
    title = "There is no such result."
    advice = "It has expired, or the id is not yours; send the picture again."


class UnknownReport(RequestError):
    status, code = 404, "unknown-report"
    title = "There is no such report."
    advice = "It was taken back or has made way for newer ones, or the token is not the one you were given."


class TooSlow(RequestError):
    status, code = 408, "too-slow"
    title = "The request did not arrive in time."
    advice = "Send it again, over a better connection or smaller."


class LengthRequired(RequestError):
    status, code = 411, "length-required"
    title = "The request does not say how long it is."
    advice = "Send a Content-Length header instead of a chunked body."


class TooLarge(RequestError):
    status, code = 413, "too-large"
    title = "The file is too large."
    advice = "Save the picture smaller, or with more compression."


class TooMany(RequestError):
    status, code = 413, "too-many"
    title = "There are too many pictures in one request."
    advice = "Send them in several requests."


class UnsupportedFormat(RequestError):
    status, code = 415, "unsupported-format"
    title = "This picture format is not supported."
    advice = "Save it as JPEG, PNG, GIF or WebP and send that file."


class TooManyPixels(RequestError):
    status, code = 422, "too-many-pixels"
    title = "The picture has too many pixels."
    advice = "Scale it down; a few megapixels are plenty for a category."


class Undecodable(RequestError):
    status, code = 422, "undecodable"
    title = "The picture could not be decoded within the limits."
    advice = "Open it in an image editor, save it as JPEG and send that file."


class DeadLetter(RequestError):
    status, code = 422, "dead-letter"
    title = "The picture was given up on after several tries."
    advice = (
        "Save it anew as JPEG; if that fails too, tell the operator the request id."
    )


class QueueFull(RequestError):
    status, code = 429, "queue-full"
    title = "The queue is full."
    advice = "Try again in a few seconds."


class QuotaExceeded(RequestError):
    status, code = 429, "quota-exceeded"
    title = "You have sent as many requests as you may for now."
    advice = "Wait as long as Retry-After says; the operator can raise the quota."


class Busy(RequestError):
    status, code = 429, "busy"
    title = "Too many uploads are on their way."
    advice = "Try again in a few seconds."


class NoWorker(RequestError):
    status, code = 503, "no-worker"
    title = "No worker is ready."
    advice = "It is starting, or all have stopped; try again in a few seconds."


class NoExplainer(RequestError):
    status, code = 503, "no-explainer"
    title = "What the network looked at cannot be shown."
    advice = "It is switched off, not to be had of this model, or starting; the categories are to be had."


class NoStream(RequestError):
    status, code = 503, "no-stream"
    title = "The live figures cannot be followed just now."
    advice = "As many watch as may, or this process is about to stop; try again in a few seconds."


class BrokerAway(RequestError):
    status, code = 503, "broker-away"
    title = "The queue does not answer."
    advice = "Try again in a few seconds; nothing needs to be done on your side."


class BrokerFull(RequestError):
    status, code = 503, "broker-full"
    title = "The queue has no room left to keep a request safe."
    advice = "Try again in a few seconds; if it stays so, tell the operator."


class RequestLost(RequestError):
    status, code = 503, "request-lost"
    title = "The queue lost this request in a crash."
    advice = "Send the picture again."


class DeadlinePassed(RequestError):
    status, code = 504, "deadline-passed"
    title = "The answer did not come in time."
    advice = "The service is busy; try again in a few seconds."


class CannotKeep(RequestError):
    status, code = 507, "cannot-keep"
    title = "The folder of kept pictures cannot be written to."
    advice = "The report is stored without the picture; tell the operator: the disk may be full."


BY_CODE: dict[str, type[RequestError]] = {
    kind.code: kind for kind in RequestError.__subclasses__()
}


def from_code(code: str) -> RequestError:
    """The error that a code names; one unknown to this version becomes Undecodable."""
    return BY_CODE.get(code, Undecodable)()
