"""The running shop tells of its orders, and the sales table is kept from what it tells."""

from uuid import uuid4

import pytest

from ops.demo.browser import Browser
from tests.system.shop_floor import ShopFloor, until

pytestmark = pytest.mark.stack


def test_what_is_paid_shows_in_the_sales_table_though_relay_and_consumer_were_killed(
    shop: ShopFloor,
) -> None:
    sku = f"SALE-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=20, price_cents=1_500)
    for number, victim in enumerate(("relay-events", "consumer-sales", "")):
        with Browser(shop.url) as browser:
            filled = shop.filled_checkout(browser, sku, quantity=2, who=number)
            page = browser.submit(filled)
            if victim:
                shop.stack.kill_part(victim)
            shop.finished(browser, page.url, seconds=90)

    rows = f"SalesDay.objects.filter(sku={sku!r})"
    question = f"list({rows}.values_list('orders', 'units', 'amount_cents'))"
    until(lambda: shop.ask(question), lambda sold: sold == [[3, 6, 9_000]], seconds=90)
