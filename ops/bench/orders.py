"""A process that takes orders as JSON lines and answers each with one."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any, Self, cast

from ops.stack.errors import StackError
from ops.stack.layout import CHECKOUT


class Told:
    """Started at once, killed at the end. What it writes to stderr is seen on ours."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            list(command),
            cwd=CHECKOUT,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A group of its own, so that what it forks ends with it.
            start_new_session=True,
        )
        self._orders = cast(IO[str], self._process.stdin)
        self._answers = cast(IO[str], self._process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate(timeout=10)

    def ask(self, order: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Its answer to one order. Raises StackError as ``hear`` does."""
        try:
            self._orders.write(json.dumps(order) + "\n")
            self._orders.flush()
        except BrokenPipeError:
            raise self._broken("it ended") from None
        return self.hear(seconds)

    def hear(self, seconds: float) -> dict[str, Any]:
        """The next thing it says.

        Raises:
            StackError: it ended, or said nothing for ``seconds``, or tells of a failure.
        """
        if not select.select([self._answers], [], [], seconds)[0]:
            raise self._broken(f"it said nothing for {seconds:.0f} s")
        line = self._answers.readline()
        if not line:
            raise self._broken("it ended")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise self._broken(answer["failed"])
        return answer

    def _broken(self, reason: str) -> StackError:
        return StackError(
            f"'{self.name}' broke: {reason}. Its own words are above; "
            "leave it out with --without, or repair it, and run this again."
        )
