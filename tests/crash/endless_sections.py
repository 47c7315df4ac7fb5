"""A process that runs guarded sections until it is killed.

``python -m tests.crash.endless_sections URLS KEY TTL DIARY WITNESS``: writes lines ``WORD PID TOKEN
TIME`` into the diary: ready, in, out, and overlap if another is inside. The witness is a file lock:
the kernel frees it at the very moment of a kill, long before the lease.
"""

import fcntl
import os
import random
import sys
import time
from collections.abc import Sequence

from tasks.guard import single_flight
from tasks.locks.redlock import Redlock
from tests.contract.redis_nodes import PREFIX


def main(arguments: Sequence[str]) -> None:
    urls, key, ttl, diary, witness = arguments
    backend = Redlock(urls.split(","), prefix=PREFIX, max_ttl=5.0, node_timeout=0.25)
    # One write of a short line to an appended file is never torn by a kill.
    pages = os.open(diary, os.O_WRONLY | os.O_APPEND)
    _note(pages, "ready", 0)
    while True:
        with single_flight(key, ttl=float(ttl), wait=30.0, backend=backend) as held:
            _section(pages, witness, held.token)


def _note(pages: int, word: str, token: int) -> None:
    os.write(pages, f"{word} {os.getpid()} {token} {time.monotonic()}\n".encode())


def _section(pages: int, witness: str, token: int) -> None:
    alone = os.open(witness, os.O_RDWR)
    try:
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _note(pages, "overlap", token)
    else:
        _note(pages, "in", token)
        time.sleep(random.uniform(0.002, 0.03))
        _note(pages, "out", token)
    finally:
        os.close(alone)


if __name__ == "__main__":
    main(sys.argv[1:])
