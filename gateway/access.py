"""Who asks, and may they: keys, scopes, where they ask from, quotas. At the headers, body unread.

Without a keys file everybody may do everything but take away what tells about everybody: metrics, and
all reports and their pictures. With one, what is not open by the table below needs a key: also what is not there, so that a route
which is forgotten here is closed, not open.
"""

import base64
import binascii
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from common.connections import Keeper
from common.errors import BrokerAway, Forbidden, TooMany, Unauthorized
from common.settings import Settings
from gateway import addresses
from gateway.api_keys import Scope
from gateway.keyring import Keyring
from gateway.origins import HeaderList, Origins
from gateway.quota import Charge, Quota

Headers = Mapping[bytes, bytes]

OPEN: Final = frozenset({"/healthz", "/readyz", "/openapi.json", "/docs"})
OPEN_BELOW: Final = ("/docs/assets/", "/static/")
METRICS: Final = "/metrics"
BATCH: Final = "/v1/batch"  # several pictures at once
EXPORTS: Final = ("/feedback/export.jsonl", "/feedback/pictures.zip")
HERE_ONLY: Final = frozenset({METRICS, *EXPORTS})  # where there are no keys
SCOPES: Final[Mapping[str, Scope]] = {
    "/": "classify",
    "/predict": "classify",
    "/v1/classify": "classify",
    BATCH: "classify",
    "/v1/models": "classify",
    "/v1/labels": "classify",
    "/feedback": "feedback",
    "/v1/feedback": "feedback",
    **dict.fromkeys(EXPORTS, "admin"),
    "/dashboard": "admin",
    "/v1/live": "admin",
    METRICS: "admin",
}
BELOW: Final[Mapping[str, Scope]] = {
    "/v1/results/": "classify",
    "/v1/feedback/": "feedback",
}
COUNTED: Final = frozenset(
    {"/", "/predict", "/v1/classify", BATCH, "/feedback", "/v1/feedback"}
)
_KEPT_PICTURE: Final = re.compile(r"/v1/feedback/[^/]+/picture")


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        owner: the name of the key; empty where none is in use or none is needed.
        charge: what was counted for this request.
    """

    owner: str = ""
    charge: Charge | None = None


NOBODY: Final = Caller()


class Access:
    """The doors of a gateway."""

    def __init__(
        self,
        settings: Settings,
        link: Keeper,
        away: Callable[[], str] = str,  # "": it is there
    ) -> None:
        """Reads the keys file, if there is one; raises StartError where that fails.

        Args:
            settings: what the doors are made of.
            link: to Redis, where quotas are counted.
            away: why Redis cannot be asked just now, if somebody knows; then nobody waits for it.
        """
        self._keyring: Keyring | None = None
        if settings.api_keys_path is not None:
            self._keyring = Keyring(settings.api_keys_path)
        self._origins = Origins(settings.origins)
        self._proxies = settings.proxies
        self._quota = Quota(link)
        self._away = away
        self._per_minute = settings.quota_per_minute

    def start(self) -> None:
        """Starts to look after the keys file."""
        if self._keyring is not None:
            self._keyring.start()

    async def stop(self) -> None:
        """Stops that."""
        if self._keyring is not None:
            await self._keyring.stop()

    async def enter(self, scope: MutableMapping[str, Any], headers: Headers) -> Caller:
        """Lets a request in and says whose it is, or why not.

        Raises:
            CrossSite: a browser sent it for a page that may not.
            Unauthorized, Forbidden: no valid key; or it, or the place, does not allow this.
            QuotaExceeded: this caller has sent too many.
            BrokerAway: there is a quota, and nobody can count.
        """
        method, path = scope["method"], scope["path"]
        self._origins.check(method, path, headers)
        owner, per_minute = self._admit(scope, headers)
        counted = method == "POST" and path in COUNTED
        if not per_minute or not (counted or is_kept_picture(method, path)):
            return Caller(owner) if owner else NOBODY
        if self._away():
            raise BrokerAway(retry_after_s=2)
        return Caller(
            owner, await self._quota.take(self._who(owner, scope), per_minute)
        )

    async def count(
        self, caller: Caller, scope: MutableMapping[str, Any], more: int
    ) -> None:
        """Counts so many requests more than the one that was let in, which stays counted.

        Raises:
            TooMany: they would never be within the quota.
            QuotaExceeded, BrokerAway: as for `enter`.
        """
        if caller.charge is not None and more:
            quota = caller.charge.quota
            if more >= quota:
                raise TooMany(f"This key may send {quota} pictures a minute.")
            await self._quota.take(self._who(caller.owner, scope), quota, more)

    async def give_back(self, caller: Caller) -> None:
        """Uncounts a request that was refused after it had been let in here."""
        if caller.charge is not None:
            await self._quota.give_back(caller.charge)

    def answer(self, path: str, headers: Headers) -> HeaderList:
        """The headers that let a page of another origin read the answer, where it may."""
        return self._origins.answer(path, headers)

    async def preflight(
        self,
        scope: MutableMapping[str, Any],
        headers: Headers,
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> bool:
        """Answers a browser that asks before it sends for a page; such a question carries no key."""
        told = self._origins.preflight(scope["method"], scope["path"], headers)
        if told:
            start = {"type": "http.response.start", "status": 204, "headers": told}
            await send(start)
            await send({"type": "http.response.body", "body": b""})
        return bool(told)

    def _admit(
        self, scope: MutableMapping[str, Any], headers: Headers
    ) -> tuple[str, int]:
        """Whose request it is, and how many a minute they may send."""
        path = scope["path"]
        if self._keyring is None:
            if path in HERE_ONLY and not addresses.here(
                scope.get("client"), scope["headers"]
            ):
                raise Forbidden(
                    "Ask from the machine it runs on, or set PICTOR_API_KEYS_FILE "
                    "and send a key with the scope admin."
                )
            return "", self._per_minute
        if path in OPEN or path.startswith(OPEN_BELOW):
            return "", 0
        found = self._keyring.find(credential(headers))
        if found is None:
            raise Unauthorized
        name, key = found
        needed = scope_of(path)
        if needed is not None and needed not in key.scopes:
            raise Forbidden(f"It needs a key with the scope {needed}.")
        own = key.quota_per_minute
        return name, self._per_minute if own is None else own

    def _who(self, owner: str, scope: MutableMapping[str, Any]) -> str:
        """Who is counted: a key, or, without keys, an address."""
        if owner:
            return f"key {owner}"
        found = addresses.client(scope.get("client"), scope["headers"], self._proxies)
        return f"address {addresses.counted_as(found)}"


def path_of(target: str) -> str:
    """A path as the routes see it, also where the whole address was sent (RFC 9112, 3.2.2).

    Werkzeug takes ``//predict`` for ``/predict``: what is asked for has one name here as well.
    """
    if not target.startswith("/"):
        with contextlib.suppress(ValueError):  # no address; there is nothing there
            target = urlsplit(target).path
    return "/" + target.lstrip("/")


def scope_of(path: str) -> Scope | None:
    """The scope that a path needs; None where any valid key will do."""
    below = (scope for start, scope in BELOW.items() if path.startswith(start))
    return next(below, SCOPES.get(path))


def is_kept_picture(method: str, path: str) -> bool:
    """Whether a request carries a picture that is to be kept with a report."""
    return method == "PUT" and _KEPT_PICTURE.fullmatch(path) is not None


def credential(headers: Headers) -> str:
    """The key that a request carries; empty where there is none.

    X-API-Key goes first: a proxy in front may want an Authorization of its own and hand it on.
    """
    if (given := headers.get(b"x-api-key")) is not None:
        return given.decode("latin-1").strip()
    scheme, _, rest = headers.get(b"authorization", b"").strip().partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.decode("latin-1").strip()
    if scheme.lower() == b"basic":  # RFC 7617: the user's name is ours to ignore
        try:
            pair = base64.b64decode(rest.strip(), validate=True)
        except binascii.Error:
            return ""
        return pair.decode("latin-1").partition(":")[2]
    return ""
