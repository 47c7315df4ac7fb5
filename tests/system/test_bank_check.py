"""The bank wants to see the shopper: whether they come back from it or not, they pay once."""

from uuid import uuid4

import httpx
import pytest

from ops.demo.browser import Browser
from tests.system.shop_floor import ShopFloor, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

CHECKED = "4000 0027 6000 3184"
_BANK = "//a[contains(@href, '/sandbox/3ds/')]/@href"
_FACTS = """[
    order.number,
    order.timeline.filter(kind="paid").count(),
    list(WebhookEvent.objects.filter(
        payload__data__object__metadata__order_number=order.number
    ).values_list("status", flat=True)),
]"""


def at_the_bank(shop: ShopFloor, browser: Browser, sku: str) -> tuple[str, str]:
    """Check out with a card whose bank wants to see the shopper: order page and bank page."""
    page = browser.submit(shop.filled_checkout(browser, sku, card=CHECKED))
    shown = until(lambda: browser.get(page.url).document.xpath(_BANK), bool, seconds=60)
    return page.url, shown[0]


def press(bank_page: str, answer: str) -> str:
    """Where the bank sends the shopper then."""
    return httpx.post(bank_page, data={"answer": answer}, timeout=10).headers["location"]


@pytest.mark.parametrize("comes_back", [True, False], ids=["comes back", "closes the window"])
def test_whoever_proves_who_they_are_has_paid_once(shop: ShopFloor, comes_back: bool) -> None:
    sku = f"CHECKED-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=5)
    with Browser(shop.url) as browser:
        order_page, bank_page = at_the_bank(shop, browser, sku)
        location = press(bank_page, "yes")
        if comes_back:
            assert location.startswith(order_page)
            browser.get(location)
        # Without the browser it is the provider's webhook that brings the news.
        until(
            lambda: browser.get(order_page).texts("//*[@data-step='mail']"),
            lambda told: "You have mail" in told[0],
            seconds=60,
        )

    number, paid, events = until(
        lambda: shop.ask(f"(lambda order: {_FACTS})(Order.objects.get(lines__sku={sku!r}))"),
        lambda facts: bool(facts[2]) and "received" not in facts[2],
        seconds=60,
    )
    assert (paid, shop.captures_of(number)) == (1, 1)
    assert set(events) <= {"handled", "ignored"}


def test_whoever_does_not_is_told_and_may_use_another_card(shop: ShopFloor) -> None:
    sku = f"REFUSED-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=5)
    with Browser(shop.url) as browser:
        order_page, bank_page = at_the_bank(shop, browser, sku)
        browser.get(press(bank_page, "no"))
        told = until(
            lambda: browser.get(order_page).document,
            lambda seen: bool(seen.xpath("//input[@name='card_number']")),
            seconds=60,
        )
    assert "could not make sure that it was you" in told.text_content()
    assert shop.stock(sku) == (5, 1)
