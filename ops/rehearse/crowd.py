"""The crowd: people of one process share a loop, and few processes share the crowd."""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from ops.rehearse.person import Person, Visit
from ops.rehearse.plan import Plan
from ops.rehearse.shop_door import client

PEOPLE_PER_PROCESS = 2_500


def send_in(base: str, path: str, crowd: Sequence[Plan], patience_seconds: float) -> list[Visit]:
    """All of them at once; what each was told. Ends ``patience_seconds`` from now at the latest."""
    if len(crowd) <= PEOPLE_PER_PROCESS:
        return visits(base, path, crowd, patience_seconds)
    processes = -(-len(crowd) // PEOPLE_PER_PROCESS)
    parts = [crowd[start::processes] for start in range(processes)]
    # Forked children would share the sockets of whoever watches the stack.
    method = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=method) as pool:
        waiting = [pool.submit(visits, base, path, part, patience_seconds) for part in parts]
        return [visit for done in waiting for visit in done.result()]


def visits(base: str, path: str, crowd: Sequence[Plan], patience_seconds: float) -> list[Visit]:
    return asyncio.run(_all(base, path, crowd, time.monotonic() + patience_seconds))


async def _all(base: str, path: str, crowd: Sequence[Plan], deadline: float) -> list[Visit]:
    async with client(base) as http:
        people = [Person(http, path, plan, deadline) for plan in crowd]
        return list(await asyncio.gather(*(person.run() for person in people)))
