"""A process with a lock backend of its own, which does what it is told line by line.

``python -m tests.contract.backend_process SPECIFICATION``; each line on stdin is one command:
``hold KEY TTL``, ``extend``, ``release``, ``sections KEY COUNT``, ``fork KEY``. Each is answered
by one line of JSON.
"""

import json
import os
import sys
import time
import traceback

from tasks.errors import LeaseBusy, LeaseLost
from tasks.guard import single_flight
from tasks.locks.lease import Lease
from tests.contract.backend_maker import make


class Worker:
    def __init__(self, specification: str) -> None:
        self._backend = make(specification)
        self._lease: Lease | None = None

    def hold(self, key: str, ttl: str) -> int:
        self._lease = self._backend.acquire(key, ttl=float(ttl))
        return self._lease.token

    def extend(self) -> bool:
        assert self._lease is not None
        try:
            self._lease = self._backend.extend(self._lease)
        except LeaseLost:
            return False
        return True

    def release(self) -> bool:
        assert self._lease is not None
        return self._backend.release(self._lease)

    def sections(self, key: str, count: str) -> list[tuple[int, float, float]]:
        """Guarded sections one after the other: token, when each began and ended (the same clock
        for all processes)."""
        done = []
        for _ in range(int(count)):
            with single_flight(key, ttl=2.0, wait=30.0, backend=self._backend) as held:
                began_at = time.monotonic()
                time.sleep(0.0005)
                done.append((held.token, began_at, time.monotonic()))
        return done

    def fork(self, key: str) -> bool:
        """Whether parent and children each kept to their own leases, as Celery's pool needs it."""
        lease = self._backend.acquire(key, ttl=1.5)
        children = [self._child(key) for _ in range(3)]
        for _ in range(30):
            self._backend.release(self._backend.acquire(f"{key}:parent", ttl=1.0))
        fine = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 for pid in children]
        lease = self._backend.extend(lease)
        return all(fine) and self._backend.release(lease)

    def _child(self, key: str) -> int:
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            try:
                self._backend.acquire(key, ttl=1.0)
            except LeaseBusy:
                for _ in range(10):
                    own = f"{key}:{os.getpid()}"
                    assert self._backend.release(self._backend.acquire(own, ttl=1.0))
                status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)


def main(specification: str) -> None:
    worker = Worker(specification)
    for line in sys.stdin:
        name, *arguments = line.split()
        sys.stdout.write(json.dumps(getattr(worker, name)(*arguments)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
