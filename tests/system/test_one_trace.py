"""One order in the logs of all processes, found by its trace id; and their heartbeats."""

import json
import subprocess
import sys
import time
from typing import Any
from uuid import uuid4

import pytest

from ops.demo.browser import Browser
from ops.stack.layout import Layout
from ops.stack.parts import HEARTBEATS
from tests.system.shop_floor import ShopFloor, until

pytestmark = pytest.mark.stack

# Part, the event in its log, and how it names the order.
ROAD = [
    ("web", "order_placed", "subject"),
    ("relay", "published", "subjects"),
    ("worker-payment", "bank_answered", "subject"),
    ("worker-inventory", "order_packed", "subject"),
    ("worker-notification", "mail_sent", "order"),
]


def lines(shop: ShopFloor, part: str, trace_id: str) -> list[dict[str, Any]]:
    text = shop.stack.log_path(part).read_text(encoding="utf-8", errors="replace")
    return [json.loads(line) for line in text.splitlines() if trace_id in line]


def test_one_order_is_found_in_every_log_by_its_trace_id(shop: ShopFloor) -> None:
    sku = f"TRACE-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=5)
    with Browser(shop.url) as browser:
        page = browser.submit(shop.filled_checkout(browser, sku))
        shop.finished(browser, page.url)
    order_id, trace_id = shop.ask(
        f"Order.objects.values_list('pk', 'trace_id').get(lines__sku={sku!r})"
    )
    for part, event, name in ROAD:
        found = until(
            lambda part=part, event=event: [  # type: ignore[misc]  # mypy and defaults of a lambda
                line for line in lines(shop, part, trace_id) if line["event"] == event
            ],
            bool,
            seconds=20,
        )
        assert f"order:{order_id}" in found[0][name], (part, found[0])


@pytest.mark.parametrize("part", HEARTBEATS)
def test_a_process_at_work_is_told_by_its_heartbeat(shop: ShopFloor, part: str) -> None:
    file = Layout.of("test").data(f"heartbeat-{part}")
    until(lambda: file.exists() and time.time() - file.stat().st_mtime < 30, bool, seconds=60)
    done = subprocess.run(
        [sys.executable, "-m", "tasks.heartbeat"],
        env={**shop.stack.environment, "HEARTBEAT_FILE": str(file)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
