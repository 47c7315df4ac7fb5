"""Contenders' processes, seen from the benchmark."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ops.bench.entrants import ENTRANTS, Entrant
from ops.bench.nodes import PREFIX
from ops.bench.orders import Told
from ops.bench.venvs import python_for
from ops.stack import placeholders

ANSWER_SECONDS = 60.0


def own_settings(lock_urls: Sequence[str]) -> dict[str, str]:
    """The application's settings for our own contenders: the defaults, with these lock nodes."""
    return {
        **placeholders.settings(),
        "LOCK_REDIS_URLS": ",".join(lock_urls),
        "LOCK_KEY_PREFIX": PREFIX,
        "LOG_LEVEL": "ERROR",
    }


class Racer(Told):
    """One contender in a process of its own."""

    def __init__(self, entrant: Entrant, urls: Sequence[str], python: Path, metrics: str) -> None:
        environ = _environment([] if entrant.database else urls)
        environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
        super().__init__(entrant.name, [str(python), "-m", "ops.bench.racer"], environ)
        # Not in its arguments, which every user of the machine may read.
        self.ask({"place": entrant.place, "urls": list(urls)}, ANSWER_SECONDS)


@contextmanager
def racers(
    names: Iterable[str],
    urls_of: Callable[[Entrant], Sequence[str]],
    say: Callable[[str], None],
) -> Iterator[list[Racer]]:
    """A running process for each name, in this order; all ended at the end."""
    with ExitStack() as stack:
        # Where the numbers of all processes of an installation meet.
        metrics = stack.enter_context(TemporaryDirectory(prefix="soldonce-bench-"))
        started = []
        for name in names:
            entrant = ENTRANTS[name]
            python = python_for(entrant.requirements, say)
            started.append(stack.enter_context(Racer(entrant, urls_of(entrant), python, metrics)))
        yield started


def _environment(lock_urls: Sequence[str]) -> dict[str, str]:
    base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**base, **(own_settings(lock_urls) if lock_urls else placeholders.settings())}
