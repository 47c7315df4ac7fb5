"""Ends what a killed program leaves behind; an event listener of the supervisor.

A web server killed with -9 leaves its worker processes: nobody told them, and they go on answering
on the same port beside their successors, with the old code. Every program of the supervisor is the
leader of a process group of its own number, so the group holds exactly the orphans.

Protocol: http://supervisord.org/events.html
"""

import os
import signal
import sys
from contextlib import suppress
from typing import TextIO


def main() -> int:
    serve(sys.stdin, sys.stdout)
    return 0


def serve(events: TextIO, answers: TextIO) -> None:
    """Answer events until the supervisor closes the stream."""
    while True:
        answers.write("READY\n")
        answers.flush()
        header = fields(events.readline())
        if not header:
            return
        end_group(int(fields(events.read(int(header["len"])))["pid"]))
        answers.write("RESULT 2\nOK")
        answers.flush()


def fields(line: str) -> dict[str, str]:
    """``key:value key:value`` as a dictionary."""
    return dict(word.split(":", 1) for word in line.split())


def end_group(leader: int) -> None:
    # 0 and 1 would mean our own group and, as -1, every process there is.
    if leader > 1:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
