"""A lock client in a process of its own, for tests that stop and kill it.

``python -m tests.contract.holder hold URLS KEY TTL``: takes the key and says ``{"token": …}``;
after a line on stdin it extends and releases and says what became of that.
``python -m tests.contract.holder wait URLS KEY TTL``: the same, and waits for the key.
``python -m tests.contract.holder sections URLS KEY COUNT``: runs guarded sections one after the
other and says when each began and ended (monotonic seconds, the same clock for all processes).
"""

import json
import sys
import time
from collections.abc import Sequence

from tasks.clock import SYSTEM_CLOCK
from tasks.errors import LeaseLost
from tasks.guard import single_flight
from tasks.locks.redlock import Redlock
from tasks.locks.waiting import acquire_within
from tests.contract.redis_nodes import PREFIX


def _say(fact: object) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def hold(backend: Redlock, key: str, ttl: float, wait: float = 0.0) -> None:
    lease = acquire_within(backend, key, ttl=ttl, wait=wait, clock=SYSTEM_CLOCK)
    _say({"token": lease.token})
    sys.stdin.readline()
    try:
        backend.extend(lease)
        extended = True
    except LeaseLost:
        extended = False
    _say({"extended": extended, "released": backend.release(lease)})


def sections(backend: Redlock, key: str, count: int) -> None:
    done = []
    for _ in range(count):
        with single_flight(key, ttl=2.0, wait=30.0, backend=backend) as held:
            began_at = time.monotonic()
            time.sleep(0.0005)
            done.append([held.token, began_at, time.monotonic()])
    _say(done)


def main(arguments: Sequence[str]) -> None:
    what, urls, key, number = arguments
    backend = Redlock(urls.split(","), prefix=PREFIX, max_ttl=30.0, node_timeout=0.25)
    if what == "hold":
        hold(backend, key, float(number))
    elif what == "wait":
        hold(backend, key, float(number), wait=30.0)
    else:
        sections(backend, key, int(number))
    backend.close()


if __name__ == "__main__":
    main(sys.argv[1:])
