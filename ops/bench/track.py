"""Contenders' processes, seen from the benchmark."""

import json
import os
import select
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, Any, cast

from ops.bench.entrants import ENTRANTS, Entrant
from ops.bench.nodes import PREFIX
from ops.bench.venvs import python_for
from ops.stack import placeholders
from ops.stack.errors import StackError
from ops.stack.layout import CHECKOUT

ANSWER_SECONDS = 60.0


def own_settings(lock_urls: Sequence[str]) -> dict[str, str]:
    """The application's settings for our own contenders: the defaults, with these lock nodes."""
    return {
        **placeholders.settings(),
        "LOCK_REDIS_URLS": ",".join(lock_urls),
        "LOCK_KEY_PREFIX": PREFIX,
        "LOG_LEVEL": "ERROR",
    }


class Racer:
    """One contender in a process of its own."""

    def __init__(self, entrant: Entrant, urls: Sequence[str], python: str) -> None:
        self.name = entrant.name
        self._process = subprocess.Popen(
            [python, "-m", "ops.bench.racer"],
            cwd=CHECKOUT,
            env=_environment([] if entrant.database else urls),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._orders = cast(IO[str], self._process.stdin)
        self._answers = cast(IO[str], self._process.stdout)
        self.ask({"place": entrant.place, "urls": list(urls)})

    def ask(self, order: Mapping[str, Any], seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Its answer to one order.

        Raises:
            StackError: it ended, or said nothing for ``seconds``.
        """
        try:
            self._orders.write(json.dumps(order) + "\n")
            self._orders.flush()
        except BrokenPipeError:
            raise self._broken("it ended") from None
        if not select.select([self._answers], [], [], seconds)[0]:
            raise self._broken(f"it said nothing for {seconds:.0f} s")
        line = self._answers.readline()
        if not line:
            raise self._broken("it ended")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise self._broken(answer["failed"])
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=10)

    def _broken(self, reason: str) -> StackError:
        return StackError(
            f"The contender '{self.name}' broke: {reason}. Its own words are above; "
            "leave it out with --without, or repair it and run this again."
        )


@contextmanager
def racers(
    names: Iterable[str],
    urls_of: Callable[[Entrant], Sequence[str]],
    say: Callable[[str], None],
) -> Iterator[list[Racer]]:
    """A running process for each name, in this order; all ended at the end."""
    with ExitStack() as stack:
        started = []
        for name in names:
            entrant = ENTRANTS[name]
            racer = Racer(entrant, urls_of(entrant), str(python_for(entrant.requirements, say)))
            stack.callback(racer.end)
            started.append(racer)
        yield started


def _environment(lock_urls: Sequence[str]) -> dict[str, str]:
    base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**base, **(own_settings(lock_urls) if lock_urls else placeholders.settings())}
