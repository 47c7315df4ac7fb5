"""A process that forks while it holds a lease, as Celery's prefork pool would let it.

Ends with 0 when parent and child each kept to their own leases and connections.
"""

import os
import sys
import time
import traceback
from collections.abc import Sequence

from tasks.errors import LeaseBusy, LeaseLost
from tasks.guard import single_flight
from tasks.locks.held import HeldLease
from tasks.locks.redlock import Redlock
from tests.contract.redis_nodes import PREFIX

_TTL = 0.4


def _expect_busy(backend: Redlock, key: str) -> None:
    try:
        backend.acquire(key, ttl=_TTL)
    except LeaseBusy:
        return
    raise AssertionError(f"the key {key!r} was free")


def _child(backend: Redlock, parents: HeldLease) -> None:
    try:
        parents.ensure()
    except LeaseLost:
        pass
    else:
        raise AssertionError("a fork took its parent's lease for its own")
    _expect_busy(backend, "parent")
    with single_flight(f"child:{os.getpid()}", ttl=_TTL, backend=backend) as held:
        time.sleep(3 * _TTL)  # only a renewal thread of the child can keep this
        held.ensure()
    parents.release()


def main(arguments: Sequence[str]) -> None:
    backend = Redlock(arguments[0].split(","), prefix=PREFIX, max_ttl=2.0, node_timeout=0.25)
    with single_flight("parent", ttl=_TTL, backend=backend) as held:
        children = [_fork(backend, held) for _ in range(3)]
        for _ in range(100):
            backend.release(backend.acquire("other", ttl=_TTL))
        for pid in children:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "a child failed"
        held.ensure()
        # A child that left the block must not have freed its parent's key.
        _expect_busy(backend, "parent")
    backend.close()


def _fork(backend: Redlock, held: HeldLease) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _child(backend, held)
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
