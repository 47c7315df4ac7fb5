"""``./dev demo``: start everything, send the shoppers in, audit, stop everything."""

import argparse
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed

from ops.demo import report, scenarios, shopper
from ops.stack.errors import StackError
from ops.stack.parts import ALL, STANDBY
from ops.stack.stack import Stack

CONCURRENT_SHOPPERS = 12
SETTLE_SECONDS = 120.0
# Quick enough to watch: a declined order gives its stock back within the demo.
ENVIRONMENT = {
    "HOLD_SECONDS": "20",
    "EXPIRE_EVERY_SECONDS": "2",
    "STUCK_AFTER_SECONDS": "20",
    "RESUME_EVERY_SECONDS": "5",
    "COLLECT_EVERY_SECONDS": "5",
    "PAYMENT_TIMEOUT_SECONDS": "3",
}
_PARTS = tuple(part for part in ALL if part not in STANDBY)


def main(argv: list[str]) -> int:
    """Exit status: 0 if the audit holds and everything ended, 1 if not."""
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--scale", type=int, default=1, help="how many times the usual crowd")
    options = parser.parse_args(argv)
    with Stack("demo", fresh=True, environment=ENVIRONMENT, parts=_PARTS) as stack:
        return _run(stack, scale=max(1, options.scale))


def _run(stack: Stack, *, scale: int) -> int:
    base = stack.urls["shop"]
    started = time.monotonic()
    addresses = shopper.catalogue(base)
    crowd = scenarios.plans(list(addresses), scale=scale)
    print(f"\n{len(crowd)} shoppers, {CONCURRENT_SHOPPERS} at a time, at {base}\n")
    visits = _send_in(base, crowd, addresses)
    print("\nWaiting until nothing is in flight any more, then the audit.\n")
    audit, text = settled_audit(stack)
    print(report.table(visits))
    for visit in visits:
        if visit.ending in (shopper.BROKEN, shopper.UNFINISHED):
            print(f"  {visit.plan.kind}: {visit.ending}: {visit.told} {sorted(visit.order_urls)}")
    print(f"\n{text}\n")
    if waiting := audit.counts["payment_failed"]:
        print(f"{waiting} orders reached no final state: their holds should have ended by now.\n")
    result = report.summary(visits, audit, time.monotonic() - started)
    print(json.dumps(result))
    return 0 if report.holds(result, audit) else 1


def _send_in(
    base: str, crowd: list[scenarios.Plan], addresses: dict[str, str]
) -> list[shopper.Visit]:
    visits: list[shopper.Visit] = []
    stopping = threading.Event()

    def go(number: int, plan: scenarios.Plan) -> shopper.Visit | None:
        return None if stopping.is_set() else shopper.visit(base, plan, addresses, number)

    with ThreadPoolExecutor(CONCURRENT_SHOPPERS) as pool:
        waiting = [pool.submit(go, number, plan) for number, plan in enumerate(crowd, start=1)]
        try:
            for done in as_completed(waiting):
                visit = done.result()
                if visit is not None:
                    visits.append(visit)
                    _progress(visits, len(crowd))
        except BaseException:
            stopping.set()
            raise
    return visits


def _progress(visits: list[shopper.Visit], total: int) -> None:
    if len(visits) % 10 and len(visits) != total:
        return
    endings = Counter(visit.ending for visit in visits)
    told = ", ".join(f"{endings[ending]} {ending}" for ending in report.ENDINGS if endings[ending])
    print(f"  {len(visits):>3} of {total} done: {told}", flush=True)


def settled_audit(stack: Stack) -> tuple[report.Audit, str]:
    """Audit again and again until the promise holds with nothing in flight, or time is up."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        answer = stack.manage("audit", "--settled", "--json")
        if answer.stdout.strip():
            audit = report.Audit.read(answer.stdout)
            quiet = audit.ok and not audit.counts["payment_failed"]
            if quiet or time.monotonic() > deadline:
                return audit, stack.manage("audit", "--settled").stdout
        elif time.monotonic() > deadline:
            raise StackError(f"The audit could not run: {answer.stderr[-2000:]}")
        time.sleep(1)
