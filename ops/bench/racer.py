"""The process of one contender: takes orders as JSON lines, answers each with one.

Run by the interpreter of the contender's own environment, so only the standard library here.
The first line says who it is: ``{"place": "module:Class", "urls": […]}``.
"""

import importlib
import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from ops.bench.contenders.base import Contender

_KEYS = 64
_MARGIN_SECONDS = 30.0


def main() -> None:
    orders = sys.stdin
    who = json.loads(orders.readline())
    make = _maker(who["place"], who["urls"])
    contender: Contender | None = None
    _answer({"ready": True})
    for line in orders:
        order = json.loads(line)
        if order["do"] == "cycles":
            contender = contender or make()
            _answer(_cycles(contender, who["place"], order["seconds"]))
        else:
            _answer(_contend(make, order))


def _maker(place: str, urls: list[str]) -> Callable[[], Contender]:
    module, _, name = place.partition(":")
    kind = getattr(importlib.import_module(f"ops.bench.contenders.{module}"), name)

    def make() -> Contender:
        made: Contender = kind(urls)
        return made

    return make


def _answer(fact: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def _cycles(contender: Contender, place: str, seconds: float) -> dict[str, Any]:
    taken = sorted(contender.cycles([f"bench:{place}:{n}" for n in range(_KEYS)], seconds))
    return {"median": taken[len(taken) // 2], "facts": contender.facts()}


def _contend(make: Callable[[], Contender], order: dict[str, Any]) -> dict[str, Any]:
    """Many processes on one key. Forked here, before this process has any connection."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(order["processes"])
    workers, ends = [], []
    for _ in range(order["processes"]):
        here, there = context.Pipe(duplex=False)
        worker = context.Process(target=_sections, args=(make, order, barrier, there), daemon=True)
        worker.start()
        there.close()
        workers.append(worker)
        ends.append(here)
    limit = time.monotonic() + order["limit_seconds"] + _MARGIN_SECONDS
    told = [_told(end, limit) for end in ends]
    for worker in workers:
        worker.join(timeout=5)
        if worker.is_alive():
            worker.kill()
    if None in told:
        return {"failed": "a process of this contender did not come to its end"}
    return {"processes": told}


def _told(end: Connection, limit: float) -> dict[str, Any] | None:
    """What a process has to say; None when it died, or is silent until ``limit``."""
    try:
        if end.poll(max(0.0, limit - time.monotonic())):
            said: dict[str, Any] = end.recv()
            return said
    except EOFError:
        pass
    return None


def _sections(
    make: Callable[[], Contender], order: dict[str, Any], barrier: Barrier, out: Connection
) -> None:
    """One process: its sections, each as [wait, when it was inside, when it left]."""
    contender = make()
    clock, key, witness = time.monotonic, order["key"], order["witness"]
    hold, deadline = order["hold_seconds"], 0.0
    done: list[tuple[float, float, float]] = []
    overlaps = refusals = 0
    _warm(contender)
    barrier.wait(timeout=60)
    began_at = clock()
    deadline = began_at + order["limit_seconds"]
    asked_at = began_at
    while len(done) < order["sections"] and clock() < deadline:
        held = contender.acquire(key, order["limit_seconds"])
        if held is None:
            # The wait goes on: whoever wanted the key still wants it.
            refusals += 1
            continue
        inside_at = clock()
        overlaps += _inside(witness, hold)
        left_at = clock()
        contender.release(held)
        done.append((inside_at - asked_at, inside_at, left_at))
        asked_at = clock()
    ended_at = clock()
    # Who is cut off while it waits has waited too.
    pending = ended_at - asked_at if len(done) < order["sections"] else 0.0
    facts = {"began_at": began_at, "ended_at": ended_at, "pending": pending}
    out.send({**facts, "overlaps": overlaps, "refusals": refusals, "sections": done})
    out.close()


def _warm(contender: Contender) -> None:
    """Connections and scripts before the start: only waiting is to be measured."""
    held = contender.acquire(f"bench:warm:{os.getpid()}:{threading.get_ident()}", 5.0)
    if held is not None:
        contender.release(held)


def _inside(witness: str, hold: float) -> bool:
    """The section. True: somebody else was inside. The file system tells, not the lock."""
    try:
        os.close(os.open(witness, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        time.sleep(hold)
        return True
    time.sleep(hold)
    os.unlink(witness)
    return False


if __name__ == "__main__":
    main()
