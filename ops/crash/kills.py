"""Kills at random instants, until told to stop."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ops.crash.fleet import Fleet

_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.1, 2.5
# A worker that is started anew takes seconds until it works: killed as often as its children, it
# would never come to anything.
_WEIGHTS = {"worker's child": 6, "relay": 3, "worker": 1}


@contextmanager
def kills(fleet: Fleet, chance: random.Random) -> Iterator["Counter[str]"]:
    """Kill while the block runs; how many of each kind were hit."""
    hit: Counter[str] = Counter()
    stop = threading.Event()

    def go_on() -> None:
        while not stop.wait(chance.uniform(_SHORTEST_SECONDS, _LONGEST_SECONDS)):
            (kind,) = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
            hit[kind] += _kill_one(kind, fleet, chance)

    killer = threading.Thread(target=go_on, name="killer")
    killer.start()
    try:
        yield hit
    finally:
        stop.set()
        killer.join()


def _kill_one(kind: str, fleet: Fleet, chance: random.Random) -> bool:
    prefix = "relay" if kind == "relay" else "worker"
    place = chance.choice([place for place in fleet.places if place.name.startswith(prefix)])
    return place.kill_child(chance) if kind == "worker's child" else place.kill()
