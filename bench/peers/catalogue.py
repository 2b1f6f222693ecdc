"""The peers by name, and the configurations that are worth trying for each.

The first candidate of each is what its documentation and a machine's cores suggest.
"""

from typing import Final

from bench.peers.peer import CORES, Configuration, Peer

# An engine of one thread on each core is what a CPU likes best (FINDINGS of every layout tried); one of
# all threads, and batches, are what a GPU would want and documentations praise.
_BATCHES: Final = tuple(
    Configuration(CORES, 1, n, wait) for n, wait in ((2, 1), (4, 2), (8, 5))
)
_ONE: Final = Configuration(1, CORES)
_EACH: Final = Configuration(CORES, 1)

_MOSEC: Final = Peer(
    name="mosec",
    title="mosec, LiteRT",
    engine="litert",
    upload="raw",
    path="/inference",
    module="bench.peers.mosec_server",
    candidates=(_EACH, _ONE, *_BATCHES, Configuration(CORES, 1, decoders=1)),
    modules=("mosec",),
    packages=("mosec", "ai-edge-litert"),
)

PEERS: Final = {one.name: one for one in (_MOSEC,)}
