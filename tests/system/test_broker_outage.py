"""RabbitMQ is away: orders are taken, wait in the outbox, and finish when it is back."""

from uuid import uuid4

import httpx
import pytest

from ops.demo.browser import Browser
from tests.system.shop_floor import ShopFloor, until

pytestmark = pytest.mark.stack


def test_orders_taken_without_a_broker_finish_when_it_is_back(shop: ShopFloor) -> None:
    sku = f"OUTAGE-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=20)
    browsers = [Browser(shop.url) for _ in range(5)]
    shop.stack.stop_part("rabbitmq")
    try:
        pages = [
            browser.submit(shop.filled_checkout(browser, sku, who=number))
            for number, browser in enumerate(browsers)
        ]
        assert all("/orders/" in page.url for page in pages)
        assert shop.stock(sku) == (20, 5)
        waiting = shop.ask("OutboxMessage.objects.filter(task='orders.capture_payment').count()")
        assert waiting >= 5
        # Orders can be taken, so a load balancer must go on sending shoppers here.
        assert httpx.get(f"{shop.url}/readyz", timeout=10).status_code == 200
    finally:
        shop.stack.start_part("rabbitmq")

    for browser, page in zip(browsers, pages, strict=True):
        end = shop.finished(browser, page.url, seconds=90)
        assert "You have mail" in end.texts("//*[@data-step='mail']")[0]
        browser.__exit__()
    assert shop.stock(sku) == (15, 0)
    assert (
        until(
            lambda: shop.ask("OutboxMessage.objects.count()"), lambda count: count == 0, seconds=30
        )
        == 0
    )
    assert shop.audit()["ok"]
