"""``./dev check-locks``: the model check of the lock at length, and its cycles on real servers."""

import argparse
import logging
import os
import time
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context

_BATCH = 500
_SHOWN = 10


def main(argv: list[str]) -> int:
    """Exit code 0 when every promise was kept."""
    parser = argparse.ArgumentParser(
        prog="./dev check-locks",
        description="Random schedules of faults on the real lock client and simulated nodes.",
    )
    parser.add_argument("--schedules", type=int, default=None, help="how many (20,000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cycles", type=int, default=0, help="acquire and release on real servers")
    wanted = parser.parse_args(argv)
    schedules = wanted.schedules
    if schedules is None:
        schedules = 0 if wanted.cycles else 20_000
    passed = True
    if schedules > 0:
        passed = _explore(range(wanted.first, wanted.first + schedules), wanted.processes)
    if wanted.cycles > 0:
        passed = _cycles(wanted.cycles) and passed
    return 0 if passed else 1


def _explore(seeds: range, processes: int) -> bool:
    began = time.monotonic()
    counts: Counter[str] = Counter()
    broken: list[str] = []
    batches = [seeds[start : start + _BATCH] for start in range(0, len(seeds), _BATCH)]
    # Not forked: the parent may have threads, and a child shall import everything for itself.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        jobs: list[Future[tuple[Counter[str], list[str]]]] = []
        jobs += [pool.submit(explore_batch, batch) for batch in batches]
        try:
            for done, job in enumerate(as_completed(jobs), 1):
                batch_counts, batch_broken = job.result()
                counts.update(batch_counts)
                broken += batch_broken
                if done % 40 == 0:
                    print(f"  {done * _BATCH:>9,} schedules, {len(broken)} broken", flush=True)
        finally:
            # Interrupted: what has not begun yet is not begun any more.
            pool.shutdown(wait=False, cancel_futures=True)
    seconds = time.monotonic() - began
    print(f"{len(seeds):,} schedules in {seconds:.0f} s on {processes} processes: " + _text(counts))
    print("\n".join(broken[:_SHOWN]) or "No promise was broken.")
    return not broken


def explore_batch(seeds: range) -> tuple[Counter[str], list[str]]:
    """What these schedules came to, and what each one that broke a promise broke."""
    # Only this command needs the tests' tools; the others start faster without them.
    from tests.contract.tenure import Broken  # noqa: PLC0415
    from tests.contract.world import World  # noqa: PLC0415

    logging.disable(logging.CRITICAL)
    counts: Counter[str] = Counter()
    broken = []
    for seed in seeds:
        world = World(seed)
        try:
            world.run()
        except Broken as promise:
            broken.append(f"BROKEN  seed {seed} ({world.family.name}): {promise}")
        counts.update(vars(world.counts))
    return counts, broken


def _cycles(count: int) -> bool:
    from tests.contract.growth import measure_growth  # noqa: PLC0415

    began = time.monotonic()
    growth = measure_growth(count)
    seconds = time.monotonic() - began
    print(f"{count:,} cycles in {seconds:.0f} s: {growth}")
    return growth.nothing


def _text(counts: Counter[str]) -> str:
    return ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in counts.items())
