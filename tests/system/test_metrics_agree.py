"""Bar: the counters of all processes add up to exactly what the database says.

A hundred orders in CI; ``METRICS_ORDERS=1000 ./dev test tests/system/test_metrics_agree.py`` is the
long form.
"""

import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from typing import Any
from uuid import uuid4

import httpx
import pytest

from ops.demo.browser import Browser
from ops.demo.scenarios import DECLINED, FAILS_AFTER, GOOD, RATE_LIMITED, SILENT_AFTER
from tests.system.shop_floor import ShopFloor, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1800)]

ORDERS = int(os.environ.get("METRICS_ORDERS", "100"))
# In the proportions of a day with a bank that has its moods.
MIX = [*[GOOD] * 14, *[DECLINED] * 3, RATE_LIMITED, SILENT_AFTER, FAILS_AFTER]
CROWD = 8

_SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)

_FACTS = """{
    "orders": Order.objects.count(),
    "captured": Payment.objects.filter(status="captured").count(),
    "declined": Payment.objects.filter(status="declined").count(),
    "packed": Order.objects.filter(fulfilment="packed").count(),
    "mails": {kind: Notification.objects.filter(kind=kind, status="sent").count()
              for kind in ("order_confirmed", "payment_declined", "order_expired")},
    "expired": Order.objects.filter(status="expired").count(),
    "open": Notification.objects.filter(status="pending").count()
            + Payment.objects.filter(status__in=["pending", "unknown"]).count()
            + Order.objects.filter(status="paid", fulfilment="unfulfilled").count()
            + OutboxMessage.objects.count(),
}"""


Totals = Counter[tuple[str, str]]


def totals(shop: ShopFloor) -> Totals:
    """Every sample of the page, by name and labels."""
    page = httpx.get(f"{shop.url}/metrics", timeout=30)
    assert page.status_code == 200
    return Counter(
        {(name, labels): float(value) for name, labels, value in _SAMPLE.findall(page.text)}  # type: ignore[misc]  # a sum of floats
    )


def runs(seen: Totals, task: str, outcome: str) -> float:
    # prometheus_client sorts labels by name
    return seen["task_runs_total", f'outcome="{outcome}",task="orders.{task}"']


def test_counters_of_all_processes_add_up_to_what_the_database_says(shop: ShopFloor) -> None:
    sku = f"COUNTED-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=ORDERS)
    facts_before, seen_before = quiet_facts(shop), totals(shop)

    def buy(card: str) -> str:
        with Browser(shop.url) as browser:
            return browser.submit(shop.filled_checkout(browser, sku, card=card)).url

    with ThreadPoolExecutor(CROWD) as crowd:
        urls = list(crowd.map(buy, islice(cycle(MIX), ORDERS)))
    assert all("/orders/" in url for url in urls)
    facts = quiet_facts(shop)
    # Each process writes once a second.
    until(
        lambda: mails(totals(shop) - seen_before),
        lambda sent: sent >= sum(facts["mails"].values()) - sum(facts_before["mails"].values()),
        seconds=20,
    )
    seen = totals(shop)
    seen.subtract(seen_before)

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

    # Nothing was killed and no message doubled, so each step is one run that succeeded.
    assert runs(seen, "capture_payment", "succeeded") == ORDERS
    assert runs(seen, "deduct_inventory", "succeeded") == happened["packed"]
    assert runs(seen, "send_notification", "succeeded") == sum(sent.values())
    assert runs(seen, "capture_payment", "dead_letter") == 0
    asked_again = sum(card in (SILENT_AFTER, FAILS_AFTER) for card in islice(cycle(MIX), ORDERS))
    assert runs(seen, "capture_payment", "retried") >= asked_again > 0
    for task in ("capture_payment", "deduct_inventory", "send_notification"):
        labels = f'task="orders.{task}"'
        all_runs = sum(
            number
            for (name, text), number in seen.items()
            if name == "task_runs_total" and labels in text
        )
        assert seen["task_run_seconds_count", labels] == all_runs
        assert seen["task_delay_seconds_count", labels] == all_runs
        assert seen["task_attempts_count", labels] == runs(seen, task, "succeeded")


def quiet_facts(shop: ShopFloor) -> dict[str, Any]:
    """What the database says, once nothing is under way."""
    facts: dict[str, Any] = until(
        lambda: shop.ask(_FACTS), lambda facts: facts["open"] == 0, seconds=1_200
    )
    return facts


def mails(seen: Totals) -> float:
    return sum(number for (name, _), number in seen.items() if name == "mails_sent_total")
