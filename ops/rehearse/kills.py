"""Kills while a rehearsal runs: ``kill -9`` of one part after another, until told to stop."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ops.stack.errors import StackError
from ops.stack.running import RunningStack

VICTIMS = {
    "workers": ("worker-payment", "worker-inventory", "worker-notification"),
    "relay": ("relay",),
    "redis": ("redis-gate",),
    "rabbitmq": ("rabbitmq",),
    "keeper": ("keeper", "keeper-2"),
    "web": ("web",),
}
KINDS = (*VICTIMS, "all")
# Between two kills the victim comes back: killed faster than it starts, a shop sells nothing.
_FIRST_SECONDS, _BETWEEN_SECONDS = 2.0, 10.0
_BACK_SECONDS = 120


def victims_of(kind: str) -> tuple[str, ...]:
    if kind == "all":
        return tuple(part for parts in VICTIMS.values() for part in parts)
    return VICTIMS[kind]


@contextmanager
def kills(
    stack: RunningStack, kind: str, after_seconds: float, dice: random.Random
) -> Iterator["Counter[str]"]:
    """Kill parts of this kind while the block runs, the first ``after_seconds`` from now; how many
    of each were hit. Every part has come back at the end, or StackError says which one did not."""
    hit: Counter[str] = Counter()
    stop = threading.Event()
    deck = list(victims_of(kind))
    dice.shuffle(deck)
    failures: list[StackError] = []

    def go_on() -> None:
        pause = after_seconds + _FIRST_SECONDS
        while not stop.wait(pause):
            part = deck[sum(hit.values()) % len(deck)]
            try:
                stack.kill_part(part)
                hit[part] += 1
                stack.wait_running(part, _BACK_SECONDS)
            except StackError as error:
                failures.append(error)
                return
            pause = dice.uniform(0.5, 1.5) * _BETWEEN_SECONDS

    killer = threading.Thread(target=go_on, name="killer")
    killer.start()
    try:
        yield hit
    finally:
        stop.set()
        killer.join()
    if failures:
        raise failures[0]
