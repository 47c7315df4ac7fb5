"""Kills at random instants, until told to stop."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ops.crash.fleet import Fleet

# So many messages more must be handled before the next kill, whatever the machine's speed: a fleet
# that is killed faster than it starts would never come to anything.
FEWEST = 5
# Then it strikes at any instant of so many seconds.
_SPREAD_SECONDS = 0.3
_LOOK_SECONDS = 0.1
# A deck and not a die, so that a short run has victims of each kind too.
_DECK = ["worker's child"] * 5 + ["relay"] * 3 + ["worker"] * 2


@contextmanager
def kills(
    fleet: Fleet, chance: random.Random, handled: Callable[[], int], *, every: int
) -> Iterator["Counter[str]"]:
    """Kill while the block runs; how many of each kind were hit. ``handled``: messages so far.
    ``every``: how many messages lie between two kills on average, FEWEST or more."""
    hit: Counter[str] = Counter()
    stop = threading.Event()

    def go_on() -> None:
        deck: list[str] = []
        while _wait_for_more(chance.randint(FEWEST, 2 * every - FEWEST), handled, stop):
            stop.wait(chance.uniform(0, _SPREAD_SECONDS))
            if not deck:
                deck = chance.sample(_DECK, len(_DECK))
            if _kill_one(deck[-1], fleet, chance):
                hit[deck.pop()] += 1

    killer = threading.Thread(target=go_on, name="killer")
    killer.start()
    try:
        yield hit
    finally:
        stop.set()
        killer.join()


def _wait_for_more(count: int, handled: Callable[[], int], stop: threading.Event) -> bool:
    """False: told to stop."""
    wanted = handled() + count
    while not stop.wait(_LOOK_SECONDS):
        if handled() >= wanted:
            return True
    return False


def _kill_one(kind: str, fleet: Fleet, chance: random.Random) -> bool:
    """False when its victim was just being started anew."""
    prefix = "relay" if kind == "relay" else "worker"
    place = chance.choice([place for place in fleet.places if place.name.startswith(prefix)])
    return place.kill_child(chance) if kind == "worker's child" else place.kill()
