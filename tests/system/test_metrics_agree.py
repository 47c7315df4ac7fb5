"""Bar: the counters of all processes add up to exactly what the database says.

A hundred orders in CI; ``METRICS_ORDERS=1000 ./dev test tests/system/test_metrics_agree.py`` is the
long form.
"""

import os
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from uuid import uuid4

import httpx
import pytest

from ops.demo.browser import Browser
from ops.demo.scenarios import DECLINED, FAILS_AFTER, GOOD, GOOD_TOO, RATE_LIMITED
from tests.system.shop_floor import ShopFloor, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1800)]

ORDERS = int(os.environ.get("METRICS_ORDERS", "100"))
# In the proportions of a day with a bank that has its moods.
MIX = [*[GOOD] * 10, *[GOOD_TOO] * 5, *[DECLINED] * 3, RATE_LIMITED, FAILS_AFTER]
CROWD = 8
WORKER_OF = {
    "capture_payment": "worker-payment",
    "deduct_inventory": "worker-inventory",
    "send_notification": "worker-notification",
}

_SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)

_FACTS = """{
    "orders": Order.objects.count(),
    "captured": Payment.objects.filter(status="captured").count(),
    "declined": Payment.objects.filter(status="declined").count(),
    "packed": Order.objects.filter(fulfilment="packed").count(),
    "mails": {kind: Notification.objects.filter(kind=kind, status="sent").count()
              for kind in ("order_confirmed", "payment_declined", "order_expired")},
    "expired": Order.objects.filter(status="expired").count(),
}"""
# What the page itself calls unfinished. Orders whose card failed wait for their shopper.
_UNFINISHED = [
    *(("orders_waiting", f'state="{state}"') for state in ("placed", "paid", "mail_pending")),
    *(("outbox_messages", f'state="{state}"') for state in ("due", "later")),
]


Totals = Counter[tuple[str, str]]


def totals(shop: ShopFloor) -> Totals:
    """Every sample of the page, by name and labels."""
    page = httpx.get(f"{shop.url}/metrics", timeout=30)
    assert page.status_code == 200
    return Counter(
        {(name, labels): float(value) for name, labels, value in _SAMPLE.findall(page.text)}
    )


def runs(seen: Totals, task: str, outcome: str) -> float:
    # prometheus_client sorts labels by name
    return seen["task_runs_total", f'outcome="{outcome}",task="orders.{task}"']


def test_counters_of_all_processes_add_up_to_what_the_database_says(shop: ShopFloor) -> None:
    sku = f"COUNTED-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=ORDERS)
    seen_before = quiet(shop)
    facts_before = shop.ask(_FACTS)
    told_before = {task: succeeded_in_logs(shop, task) for task in WORKER_OF}

    def buy(card: str) -> str:
        with Browser(shop.url) as browser:
            return browser.submit(shop.filled_checkout(browser, sku, card=card)).url

    cards = list(islice(cycle(MIX), ORDERS))
    with ThreadPoolExecutor(CROWD) as crowd:
        urls = list(crowd.map(buy, cards))
    assert all("/orders/" in url for url in urls)
    seen = quiet(shop)
    seen.subtract(seen_before)
    facts = shop.ask(_FACTS)

    happened = {name: facts[name] - facts_before[name] for name in facts if name != "mails"}
    sent = {kind: facts["mails"][kind] - facts_before["mails"][kind] for kind in facts["mails"]}
    assert happened["orders"] == ORDERS
    assert seen["orders_placed_total", ""] == ORDERS
    assert seen["payments_settled_total", 'outcome="captured"'] == happened["captured"]
    assert seen["payments_settled_total", 'outcome="declined"'] == happened["declined"]
    assert happened["captured"] + happened["declined"] == ORDERS
    assert seen["orders_packed_total", ""] == happened["packed"] == happened["captured"]
    for kind, number in sent.items():
        assert seen["mails_sent_total", f'kind="{kind}"'] == number

    # A message may come twice (a confirm that came too late) and a step may be sent twice (a sweep
    # that lost patience); the second run finds nothing to do, and is a run. So for runs the truth
    # is what Celery itself wrote into the workers' logs.
    effects = {
        "capture_payment": ORDERS,
        "deduct_inventory": happened["packed"],
        "send_notification": sum(sent.values()),
    }
    for task, number in effects.items():
        succeeded = runs(seen, task, "succeeded")
        assert succeeded == succeeded_in_logs(shop, task) - told_before[task] >= number
        labels = f'task="orders.{task}"'
        all_runs = sum(
            number
            for (name, text), number in seen.items()
            if name == "task_runs_total" and labels in text
        )
        assert seen["task_run_seconds_count", labels] == all_runs
        assert seen["task_delay_seconds_count", labels] == all_runs
        assert seen["task_attempts_count", labels] == succeeded
        assert runs(seen, task, "dead_letter") == 0
    assert runs(seen, "capture_payment", "retried") >= cards.count(FAILS_AFTER) > 0


def succeeded_in_logs(shop: ShopFloor, task: str) -> int:
    """How often Celery says so."""
    log = shop.stack.log_path(WORKER_OF[task]).read_text(errors="replace")
    return len(re.findall(rf"Task orders\.{task}\[[0-9a-f-]+\] succeeded", log))


def quiet(shop: ShopFloor) -> Totals:
    """The page, once nothing is under way and every process has written what it counted: two
    looks that count the same, since each process writes once a second."""

    def at_rest(seen: Totals) -> bool:
        return not any(seen[series] for series in _UNFINISHED)

    until(lambda: totals(shop), at_rest, seconds=1_200)
    time.sleep(2.5)
    return until(lambda: totals(shop), at_rest, seconds=60)
