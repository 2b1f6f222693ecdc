"""The classic design: Flask under gunicorn, a list in Redis, a process that predicts, and polling.

As the well-known tutorials have it: the web process decodes, appends the pixels and an id to a list,
and looks again and again whether there is an answer under the id; a process takes one picture at a time
off the list and calls ``predict``. Two things are kinder than there: the pauses between looks are short,
and pixels travel as bytes, not as text.

``python -m bench.peers.classic_server`` starts all of it; with ``predict`` it is the predicting process.
"""

import asyncio
import pickle
import sys
import time
import uuid
from typing import Any, cast

import numpy as np
import redis
from flask import Flask, request

from bench.peers.peer import CORES, Job
from bench.peers.work import Decoder, Predicting
from bench.server import Server

QUEUE = "pictures"
THREADS = (
    32  # of the web processes, since each waits for its answer; at least one a client
)
WEB_PAUSE_S = 0.01
WORK_PAUSE_S = 0.005
DEADLINE_S = 60.0
KEPT_S = 120


def application(redis_url: str) -> Flask:
    """What gunicorn serves."""
    app, database, decoder = Flask(__name__), redis.from_url(redis_url), Decoder()

    @app.post("/predict")
    def predict() -> Any:
        pixels = decoder.decode(request.files["file"].read())
        key = uuid.uuid4().hex
        database.rpush(QUEUE, pickle.dumps((key, pixels)))
        end = time.monotonic() + DEADLINE_S
        while (answer := database.get(key)) is None:
            if time.monotonic() > end:
                return {"success": False, "prediction": None, "score": None}, 504
            time.sleep(WEB_PAUSE_S)
        database.delete(key)
        return pickle.loads(cast(bytes, answer))

    return app


def predicting(redis_url: str) -> None:
    """Takes pictures off the list, one at a time, without end."""
    database, model = redis.from_url(redis_url), Predicting()
    while True:
        if (entry := database.lpop(QUEUE)) is None:
            time.sleep(WORK_PAUSE_S)
            continue
        key, pixels = pickle.loads(cast(bytes, entry))
        answer = model.predict(np.asarray(pixels))
        database.set(key, pickle.dumps(answer), ex=KEPT_S)


async def main() -> None:
    job = Job.of_environment()
    server = Server(job.path, "everysec")
    await server.start()
    url = server.admin_url
    work = ("-m", "bench.peers.classic_server", "predict", url)
    web = (
        *("-m", "gunicorn", "--bind", f"127.0.0.1:{job.port}"),
        *("--workers", str(CORES), "--worker-class", "gthread"),
        *("--threads", str(THREADS), "--timeout", "0", "--log-level", "warning"),
        f"bench.peers.classic_server:application({url!r})",
    )
    start = asyncio.create_subprocess_exec
    parts = [
        await start(sys.executable, *command)
        for command in (*([work] * job.configuration.processes), web)
    ]
    waits = [asyncio.create_task(one.wait()) for one in parts]
    # Without one of them the rest is none; whoever started this ends what is left.
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)


if __name__ == "__main__":
    if sys.argv[1:2] == ["predict"]:
        predicting(sys.argv[2])
    else:
        asyncio.run(main())
