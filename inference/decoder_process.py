"""The decoder process: images in over a socket, pixels out through shared memory. Pillow alone.

It is started by `inference.decoder` and ends with it. This first process opens no image: it has loaded
and warmed up everything, and forks the one that decodes, anew whenever the worker asks for it; so an
image that kills or starves its decoder costs that image, and a few milliseconds. What the fork may do
is bounded by `inference.sandbox`.

Frames are little-endian. To here: slot, thumbnail side in pixels, length (three uint32), the image.
From here a state (uint8), a number (uint32), length (uint32), and that many bytes:

====== ======================== ==================================
READY  the process's id          once, at the start
BEGUN  0                         an image's bytes are there
OPENED its pixels                its header has been read
OK     microseconds it took      the thumbnail, if one was wanted
REFUSED microseconds it took     the code of a ``RequestError``
====== ======================== ==================================
"""

import gc
import mmap
import os
import signal
import socket
import struct
import sys
import time
from typing import Final

import msgspec

from common.parent import PARENT_VARIABLE, end_with_parent
from inference.images import Refused, decode, warm_up
from inference.models.preprocessing import Preprocessing
from inference.sandbox import Sandbox

JOB: Final = struct.Struct("<III")
FRAME: Final = struct.Struct("<BII")
OK, REFUSED, BEGUN, OPENED, READY = range(5)


def receive(connection: socket.socket, length: int) -> bytearray | None:
    """Exactly `length` bytes, or None when the worker has gone."""
    data = bytearray(length)
    view = memoryview(data)
    while view:
        got = connection.recv_into(view)
        if not got:
            return None
        view = view[got:]
    return data


def serve(
    connection: socket.socket,
    memory: mmap.mmap,
    preprocessing: Preprocessing,
    max_pixels: int,
) -> None:
    """Decodes image after image until the worker closes the connection."""
    sandbox = Sandbox(max_pixels)
    size = preprocessing.height * preprocessing.width * 3

    def opened(pixels: int) -> None:
        sandbox.opened(pixels)
        connection.sendall(FRAME.pack(OPENED, pixels, 0))

    connection.sendall(FRAME.pack(READY, os.getpid(), 0))
    while (head := receive(connection, JOB.size)) is not None:
        slot, thumbnail_px, length = JOB.unpack(head)
        if (data := receive(connection, length)) is None:
            return
        # From here on a death is this image's.
        connection.sendall(FRAME.pack(BEGUN, 0, 0))
        sandbox.begin(length)
        started = time.perf_counter()
        try:
            pixels, payload = decode(
                memoryview(data), preprocessing, max_pixels, thumbnail_px, opened
            )
            memory[slot * size : (slot + 1) * size] = pixels
            state = OK
        except Refused as refused:
            state, payload = REFUSED, refused.code.encode()
        sandbox.end()
        micros = int((time.perf_counter() - started) * 1e6)
        connection.sendall(FRAME.pack(state, micros, len(payload)) + payload)


def end(child: int) -> None:
    """Ends a decoder, whatever it is doing, and collects it."""
    os.kill(child, signal.SIGKILL)  # until it is collected, the number is its own
    os.waitpid(child, 0)


def main(arguments: list[str]) -> None:
    """Arguments: control socket and memory file (descriptors), preprocessing (JSON), pixels.

    For each descriptor that comes over the control socket, the decoder so far is ended and a new one
    serves that connection.
    """
    end_with_parent(signal.SIGKILL)
    # The worker says when to end, by closing the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control_fd, shared, recipe, max_pixels = arguments
    preprocessing = msgspec.json.decode(recipe, type=Preprocessing)
    control = socket.socket(fileno=int(control_fd))
    memory = mmap.mmap(int(shared), 0)
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
            serve(connection, memory, preprocessing, int(max_pixels))
            return


if __name__ == "__main__":
    main(sys.argv[1:])
