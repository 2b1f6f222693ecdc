"""``python -m common.renew``: has a running ``make run`` replace its workers and gateways in turn.

Each old process stays until the new one is ready, and finishes what it has: nobody notices. For new
settings in ``.env`` and a new version of the code, stop and start instead.
"""

import fcntl
import os
import signal
import sys

from common import process
from common.errors import StartError
from common.settings import Settings


async def main() -> int:
    """Sends SIGUSR1 to the process that has the data folder."""
    path = Settings.load().data_path / "lock"
    try:
        with path.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:  # as it should be: somebody has it
        os.kill(int(path.read_text()), signal.SIGUSR1)
        return 0
    except OSError:
        pass  # there is no such folder, so nobody has it
    raise StartError(f"no Pictor is running in {path.parent}")


if __name__ == "__main__":
    sys.exit(process.run(main))
