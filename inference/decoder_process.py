"""The decoder process: images in over a socket, pixels out through shared memory. Pillow alone.

It is started by `inference.decoder` and ends with it. An image that kills or starves it costs that
image alone: the kernel bounds its memory and, for each image, its processor time; it can open no
file and no connection.

Frames are little-endian. To here: slot, thumbnail side in pixels, length (three uint32), the image.
From here, once when it begins and once when it is done: a state (uint8), the time taken in microseconds (uint32), length (uint32), and that many
bytes: the thumbnail, or the error's code.
"""

import mmap
import os
import resource
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from common.parent import end_with_parent
from inference.images import Refused, decode, warm_up
from inference.models.preprocessing import Preprocessing

JOB: Final = struct.Struct("<III")
DONE: Final = struct.Struct("<BII")
OK, REFUSED, BEGUN = 0, 1, 2
# The most that a pixel costs on its way, at 4 bytes a copy: two canvases and the frame of WebP, the
# bytes handed over, the image itself and one conversion. (Progressive JPEG, with its coefficients, and
# PNG stay below 14.)
BYTES_A_PIXEL: Final = 24
SPARE_BYTES: Final = 64 << 20


def limit_memory(max_pixels: int) -> None:
    """Bounds the address space to what the largest allowed image needs. Linux only."""
    if sys.platform != "linux":
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    used = pages * resource.getpagesize()
    most = used + SPARE_BYTES + BYTES_A_PIXEL * max_pixels
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def close_doors() -> None:
    """From here on: no new descriptors (files, sockets), nothing written to disk, no core dump."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def allow_cpu(seconds: float) -> None:
    """Grants the next image this much processor time; the kernel ends the process beyond it."""
    used = time.process_time()
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 1, hard))


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
    cpu_s: float,
) -> None:
    """Decodes image after image until the worker closes the connection."""
    size = preprocessing.height * preprocessing.width * 3
    while (head := receive(connection, JOB.size)) is not None:
        slot, thumbnail_px, length = JOB.unpack(head)
        if (data := receive(connection, length)) is None:
            return
        # From here on a death is this image's.
        connection.sendall(DONE.pack(BEGUN, 0, 0))
        allow_cpu(cpu_s)
        started = time.perf_counter()
        try:
            pixels, payload = decode(
                memoryview(data), preprocessing, max_pixels, thumbnail_px
            )
            memory[slot * size : (slot + 1) * size] = pixels
            state = OK
        except Refused as refused:
            state, payload = REFUSED, refused.code.encode()
        micros = int((time.perf_counter() - started) * 1e6)
        connection.sendall(DONE.pack(state, micros, len(payload)) + payload)


def main(arguments: list[str]) -> None:
    """Arguments: socket and memory file (descriptors), preprocessing (JSON), pixels, CPU seconds."""
    end_with_parent(signal.SIGKILL)
    # The worker says when to end, by closing the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sock, shared, recipe, max_pixels, cpu_s = arguments
    preprocessing = msgspec.json.decode(recipe, type=Preprocessing)
    connection = socket.socket(fileno=int(sock))
    memory = mmap.mmap(int(shared), 0)
    os.close(int(shared))
    warm_up(preprocessing)
    limit_memory(int(max_pixels))
    close_doors()
    serve(connection, memory, preprocessing, int(max_pixels), float(cpu_s))


if __name__ == "__main__":
    main(sys.argv[1:])
