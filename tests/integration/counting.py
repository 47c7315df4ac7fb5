"""A process that locks and counts, for the test that numbers of processes add up.

``python -m tests.integration.counting``: does one section, holds a lease inside a second one, says
so and waits to be killed.
"""

import sys

import django

django.setup()

from tasks.locks.metrics import METRICS  # noqa: E402
from tasks.locks.plain import lock  # noqa: E402


def main() -> None:
    with lock("counting:once", ttl=1):
        pass
    with lock(f"counting:{sys.argv[1]}", ttl=5):
        METRICS.flush()
        sys.stdout.write("holding\n")
        sys.stdout.flush()
        sys.stdin.readline()


if __name__ == "__main__":
    main()
