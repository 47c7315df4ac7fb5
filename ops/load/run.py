"""``./dev load``: shoppers and staff for a while, then the audit."""

import argparse
import threading
import time
from collections.abc import Callable

from ops.demo.run import ENVIRONMENT, settled_audit
from ops.demo.shopper import catalogue
from ops.load.people import Clerk, Shopper
from ops.load.visits import BROKEN, Answers
from ops.load.watch import Watch
from ops.stack.errors import StackError
from ops.stack.parts import SERVERS
from ops.stack.stack import Stack

# lock_timeout: whoever waits longer is told 'busy, try again'.
_LONGEST_WAIT_SECONDS = 3.2
_END_SECONDS = 60
# Without what only watches, or tells others.
_PARTS = (
    *(*SERVERS, "web", "relay", "worker-payment", "worker-inventory", "worker-notification"),
    *("worker-maintenance", "beat"),
)
_SHELVE = """
from orders.models import StockItem
from orders.services.shelf import receive_stock
for sku in StockItem.objects.values_list("sku", flat=True):
    receive_stock(sku, 5_000, "for the load")
"""


def main(argv: list[str]) -> int:
    """Exit code 0: no deadlock, no broken answer, no long wait, and the audit holds."""
    parser = argparse.ArgumentParser(prog="./dev load", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long (60)")
    parser.add_argument("--shoppers", type=int, default=8, help="how many at once (8)")
    parser.add_argument("--staff", type=int, default=4, help="how many at once (4)")
    wanted = parser.parse_args(argv)
    with Stack("load", fresh=True, environment=ENVIRONMENT, parts=_PARTS) as stack:
        return _run(stack, wanted)


def _run(stack: Stack, wanted: argparse.Namespace) -> int:
    answer = stack.manage("shell", "--no-imports", "-c", _SHELVE)
    if answer.returncode:
        raise StackError(f"The shelves could not be filled: {answer.stderr[-2000:]}")
    base, database = stack.urls["shop"], stack.environment["DATABASE_URL"]
    answers, watch = Answers(), Watch(database)
    addresses = catalogue(base)
    people: list[Callable[[threading.Event], None]] = [watch.run]
    people += [Shopper(base, answers, addresses, n).run for n in range(wanted.shoppers)]
    people += [
        Clerk(base, answers, database, stack.staff_login, n).run for n in range(wanted.staff)
    ]
    before = watch.deadlocks()
    print(f"\n{wanted.shoppers} shoppers and {wanted.staff} staff for {wanted.seconds} s.\n")
    _let_run(people, wanted.seconds)
    print("Waiting until nothing is in flight any more, then the audit.\n")
    audit, text = settled_audit(stack)
    deadlocks = watch.deadlocks() - before
    for what, number in sorted(answers.counts.items()):
        print(f"  {what:<28} {number:>7,}")
    for line in answers.broken[:10]:
        print(f"  {line}")
    print(
        f"\n  deadlocks {deadlocks}, longest lock wait {watch.longest_seconds:.2f} s, "
        f"at most {watch.most} waiting at once ({watch.looks:,} looks)\n\n{text}\n"
    )
    held = (
        deadlocks == 0
        and not answers.counts[BROKEN]
        and watch.longest_seconds < _LONGEST_WAIT_SECONDS
        and audit.ok
    )
    print("It held." if held else "It did not hold.")
    return 0 if held else 1


def _let_run(people: list[Callable[[threading.Event], None]], seconds: int) -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=run, args=(stop,)) for run in people]
    try:
        for thread in threads:
            thread.start()
        time.sleep(seconds)
    finally:
        stop.set()
        for thread in threads:
            thread.join(_END_SECONDS)
