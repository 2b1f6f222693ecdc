"""``python -m bench.peers NAME [--images FOLDER]``: starts a peer, sends it a picture, prints what it says."""

import argparse
import asyncio
import sys
from pathlib import Path

from bench import pictures
from bench.peers.catalogue import PEERS
from bench.peers.running import ask, running
from common.errors import StartError
from common.settings import Settings


async def show(name: str, folder: Path | None) -> None:
    """One question, one answer."""
    peer, picture = PEERS[name], pictures.load(folder)[0]
    async with running(peer, None, Settings.load()) as server:
        reply = await ask(server, picture)
        print(f"{peer.title}, {server.configuration}, {len(server.pids())} processes")
        said = peer.answer(reply.body)
        print(f"{picture.name}: {reply.status} {said.prediction} {said.score:.4f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.peers", description=__doc__)
    parser.add_argument("name", choices=PEERS, metavar="NAME", help=", ".join(PEERS))
    parser.add_argument(
        "--images", type=Path, help="a folder; default: cut-outs of photographs"
    )
    options = parser.parse_args()
    try:
        asyncio.run(show(options.name, options.images))
    except (OSError, ValueError, StartError) as error:
        print(f"peers: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
