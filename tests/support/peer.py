"""``python -m tests.support.peer``: a peer that says what it is told to, and fails as it is told to.

In the environment: BODY, of every answer; READY, so many engines are said to be warm; DIES_AT, the
number of the request that it does not survive. It answers every GET with 200.
"""

import itertools
import json
import os
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.peers.peer import Configuration, Peer

RIGHT = '{"success":true,"prediction":"tench","score":0.5}'
WRONG = '{"success":true,"prediction":"eel","score":0.5}'


def peer(title: str, configuration: Configuration, **variables: object) -> Peer:
    """One that answers right where nothing else is said."""
    told: Mapping[str, object] = {"BODY": RIGHT, "READY": 1} | variables
    return Peer(
        name=title,
        title=title,
        engine="litert",
        upload="multipart",
        path="/predict",
        module="tests.support.peer",
        candidates=(configuration,),
        modules=(),
        packages=(),
        variables={name: str(value) for name, value in told.items()},
        interpreter=Path(sys.executable),
    )


class Handler(BaseHTTPRequestHandler):
    """Reads a request whole, then answers it or dies."""

    protocol_version = "HTTP/1.1"
    numbers = itertools.count(1)

    def do_GET(self) -> None:
        self._say()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if next(self.numbers) == int(os.environ.get("DIES_AT", "0")):
            sys.stdout.write("it dies\n")
            sys.stdout.flush()
            os._exit(3)
        self._say()

    def _say(self) -> None:
        body = os.environ["BODY"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: object) -> None:
        """It has nothing to tell."""


def main() -> None:
    job = json.loads(os.environ["PEER_JOB"])
    ready = Path(job["folder"]) / "ready"
    ready.mkdir()
    for number in range(int(os.environ["READY"])):
        (ready / str(number)).touch()
    ThreadingHTTPServer(("127.0.0.1", job["port"]), Handler).serve_forever()


if __name__ == "__main__":
    main()
