"""A file that a process touches while it does its work, and the check that reads its age.

Orchestrators ask often, so the check must not start the application: this module needs nothing but
Python. ``python -m tasks.heartbeat`` reads HEARTBEAT_FILE and exits with 1 when the process hangs.
"""

import os
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

TOUCH_EVERY_SECONDS = 5.0
_AT_MOST_EVERY_SECONDS = 1.0
# A worker that lost its broker looks for it again within 32 s (Celery), then touches the file.
_OLD_SECONDS = 60.0
_BROKER_TIMEOUT_SECONDS = 2.0


class Heartbeat:
    """``touch`` may be called as often as one likes; it writes once a second.

    An empty path is a heartbeat that nobody listens to.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._touched_at = float("-inf")

    def touch(self) -> None:
        """Never raises OSError: a full disk is no reason to stop the work."""
        now = time.monotonic()
        if not self._path or now - self._touched_at < _AT_MOST_EVERY_SECONDS:
            return
        self._touched_at = now
        try:
            Path(self._path).touch()
        except OSError as error:
            print(f"heartbeat: {error}", file=sys.stderr)  # noqa: T201  # the check will tell, too


def trouble(path: str, broker_url: str, now: float) -> str:
    """Why the process must be taken for stuck; empty when it lives. ``now``: seconds since 1970."""
    try:
        age = now - Path(path).stat().st_mtime
    except OSError as error:
        return f"{error}. Is HEARTBEAT_FILE the same for the process and for this check?"
    if age <= _OLD_SECONDS or not _answers(broker_url):
        # While the broker is away nobody can do any work, and a restart would not mend it.
        return ""
    return f"{path} was touched {age:.0f} s ago, and the broker is there."


def _answers(broker_url: str) -> bool:
    parts = urlsplit(broker_url)
    place = parts.hostname or "127.0.0.1", parts.port or 5672
    try:
        socket.create_connection(place, timeout=_BROKER_TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True


def main() -> int:
    path = os.environ.get("HEARTBEAT_FILE", "")
    if not path:
        print("HEARTBEAT_FILE is not set.", file=sys.stderr)  # noqa: T201  # a command speaks so
        return 2
    why = trouble(path, os.environ.get("BROKER_URL", ""), time.time())
    if why:
        print(why, file=sys.stderr)  # noqa: T201
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
