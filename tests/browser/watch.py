"""What goes wrong in a browser behind a page's back, and must not."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

# Chromium says so on the console as well, but not of every directive.
LISTENER = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.effectiveDirective} by ${event.blockedURI} ${event.sample}`);
});
"""
INSIDE = ("data", "blob", "about")  # schemes that ask nobody
# Broken off in good order: what a page still loads when it is left (its stream; its icon, which is the
# browser's own wish), and downloads, which Chromium takes out of the page.
BROKEN_OFF = (
    "/v1/live",
    "/static/icon.svg",
    "/feedback/export.jsonl",
    "/feedback/pictures.zip",
)


class Watch:
    """Errors of all pages of a test: console, scripts, requests, policy, and who leaves the machine."""

    def __init__(self, *origins: str) -> None:
        self.origins = set(origins)
        self._seen: list[str] = []
        self._allowed: list[re.Pattern[str]] = []

    def over(self, context: BrowserContext) -> None:
        """Watches a context's pages from now on."""
        context.add_init_script(LISTENER)
        context.on("console", self._said)
        context.on("weberror", self._raised)
        context.on("request", self._asked)
        context.on("requestfailed", self._failed)

    def allow(self, *patterns: str) -> None:
        """What the test provokes: regular expressions for the lines of `problems`."""
        self._allowed += [re.compile(pattern) for pattern in patterns]

    def allow_statuses(self, *statuses: int, path: str = "/v1/classify") -> None:
        """Answers that say no; Chromium puts each on the console, whatever the page makes of it."""
        for status in statuses:
            self.allow(rf"^console: .* status of {status} .*{re.escape(path)}")

    def allow_cuts(self) -> None:
        """Connections that the test cuts."""
        self.allow(
            r"^failed: .* net::ERR_",
            r"^console: Failed to load resource: net::ERR_",
            r"^console: .* net::ERR_\w+ .*/v1/live",
        )

    def problems(self) -> list[str]:
        """All that was seen and not allowed, a line each."""
        return [
            line
            for line in self._seen
            if not any(pattern.search(line) for pattern in self._allowed)
        ]

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            where = message.location.get("url", "")
            self._seen.append(f"console: {message.text} ({where})")

    def _raised(self, error: WebError) -> None:
        self._seen.append(f"script: {error.error}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in INSIDE:
            return
        if f"{parts.scheme}://{parts.netloc}" not in self.origins:
            self._seen.append(f"left the machine: {request.url}")

    def _failed(self, request: Request) -> None:
        reason = request.failure or "no reason"
        if urlsplit(request.url).path in BROKEN_OFF and reason == "net::ERR_ABORTED":
            return
        self._seen.append(f"failed: {request.method} {request.url} {reason}")
