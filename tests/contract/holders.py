"""Start ``holder`` processes and talk to them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.contract.redis_nodes import Nodes


class Holder:
    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def says(self) -> Any:
        """The next thing it has to say."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process ended without a word"
        return json.loads(line)

    def nudge(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


@contextmanager
def holder(what: str, nodes: Nodes, key: str, number: float) -> Iterator[Holder]:
    """A process of ``tests.contract.holder``, killed at the end."""
    started = Holder("tests.contract.holder", what, ",".join(nodes.urls), key, str(number))
    try:
        yield started
    finally:
        started.end()
