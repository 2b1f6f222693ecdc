"""The decoder process: images in and pixels out through shared memory. Pillow alone.

It is started by `inference.decoder` and ends with it. This first process opens no image: it has loaded
and warmed up everything, and forks the one that decodes, anew whenever the worker asks for it; so an
image that kills or starves its decoder costs that image, and a few milliseconds. What the fork may do
is bounded by `inference.sandbox`.

The fork rings once when it is there, then for each ring of the worker's once when the rows it was given
are done (`inference.decoder_memory` says where what stands). How far it is it writes down as it goes:
the worker reads that when it is late, or has died.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import time

import msgspec

from common.parent import PARENT_VARIABLE, end_with_parent
from inference import decoder_memory as at
from inference.decoder_memory import Layout, Memory, thumbnail_room
from inference.doorbell import RING
from inference.images import Refused, decode, warm_up
from inference.models.preprocessing import Preprocessing
from inference.sandbox import Sandbox, unwatched


def serve(
    connection: socket.socket,
    memory: Memory,
    preprocessing: Preprocessing,
    max_pixels: int,
) -> None:
    """Decodes batch after batch until the worker closes the connection.

    Raises:
        ConnectionError: the worker was killed.
    """
    sandbox = Sandbox(max_pixels)
    state = memory.state
    state[at.PID] = os.getpid()
    connection.sendall(RING)
    while connection.recv(1):
        for index in range(state[at.FIRST], state[at.END]):
            decode_row(index, memory, sandbox, preprocessing, max_pixels)
        connection.sendall(RING)


def decode_row(
    index: int,
    memory: Memory,
    sandbox: Sandbox,
    preprocessing: Preprocessing,
    max_pixels: int,
) -> None:
    """Decodes one image of the memory into it."""
    state, row = memory.state, memory.row(index)
    offset, length, thumbnail_px = state[row : row + at.CODE]
    stop = offset + length

    def opened(pixels: int) -> None:
        sandbox.opened(pixels)
        memory.tell(begun=1, pixels=pixels)

    # From here on a death is this image's.
    memory.tell(begun=1)
    sandbox.begin(length)
    started = time.perf_counter()
    code, thumbnail, width, height = "", b"", 1, 1
    try:
        pixels, thumbnail, width, height = decode(
            memory.view[offset:stop], preprocessing, max_pixels, thumbnail_px, opened
        )
        memory.map[memory.pixels(index)] = pixels
    except Refused as refused:
        code = refused.code
    sandbox.end()
    if len(thumbnail) > thumbnail_room(thumbnail_px):
        thumbnail = b""  # what lies behind it is another's
    memory.map[stop : stop + len(thumbnail)] = thumbnail
    state[row + at.CODE] = at.CODES.index(code)
    state[row + at.MICROS] = int((time.perf_counter() - started) * 1e6)
    state[row + at.THUMBNAIL] = len(thumbnail)
    state[row + at.WIDTH], state[row + at.HEIGHT] = width, height
    memory.tell(begun=0)
    state[at.DONE] = index + 1


def end(child: int) -> None:
    """Ends a decoder, whatever it is doing, and collects it."""
    os.kill(child, signal.SIGKILL)  # until it is collected, the number is its own
    os.waitpid(child, 0)


def main(arguments: list[str]) -> None:
    """Arguments: control socket and memory file (descriptors), its layout and preprocessing (JSON), pixels.

    For each descriptor that comes over the control socket, the decoder so far is ended and a new one
    serves that connection.
    """
    end_with_parent(signal.SIGKILL)
    # Else a fork that was taken over could trace this one, and so take over all that follow.
    unwatched()
    # The worker says when to end, by closing the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control_fd, shared, layout, recipe, max_pixels = arguments
    preprocessing = msgspec.json.decode(recipe, type=Preprocessing)
    control = socket.socket(fileno=int(control_fd))
    memory = Memory(int(shared), msgspec.json.decode(layout, type=Layout))
    os.close(int(shared))
    warm_up(preprocessing)
    gc.freeze()  # what is loaded stays shared with the forks
    child = None
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if child is not None:
            end(child)
        if not descriptors:
            return
        with socket.socket(fileno=descriptors[0]) as connection:
            parent = os.getpid()
            child = os.fork()
            if child:
                continue
            control.close()
            os.environ[PARENT_VARIABLE] = str(parent)
            end_with_parent(signal.SIGKILL)
            # A worker that was killed may leave a ring unheard: a reset, and an end like any other.
            with contextlib.suppress(ConnectionError):
                serve(connection, memory, preprocessing, int(max_pixels))
            return


if __name__ == "__main__":
    main(sys.argv[1:])
