"""The same checkout form, however often and however it is sent, is one order and one charge."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from ops.demo.browser import Browser, fill
from ops.demo.scenarios import FAILS_AFTER, GOOD, SILENT_AFTER
from tests.system.shop_floor import ShopFloor

pytestmark = pytest.mark.stack

TYPED = (
    *("email", "name", "line1", "postcode", "city", "country"),
    *("card_number", "card_expiry", "card_cvc"),
)


@pytest.mark.parametrize("card", [GOOD, FAILS_AFTER, SILENT_AFTER])
def test_a_form_posted_twenty_times_at_once_is_one_order_and_one_capture(
    shop: ShopFloor, card: str
) -> None:
    sku = f"TWENTY-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=50)
    with Browser(shop.url) as browser:
        form = shop.filled_checkout(browser, sku, card=card)
        twins = [browser.twin() for _ in range(20)]
        with ThreadPoolExecutor(20) as clicks:
            answers = list(clicks.map(lambda twin: twin.submit(form), twins))
        for twin in twins:
            twin.__exit__()

        urls = {answer.url for answer in answers}
        assert len(urls) == 1, urls
        page = shop.finished(browser, urls.pop())

    assert "You have mail" in page.texts("//*[@data-step='mail']")[0]
    numbers = shop.ask(f"list(Order.objects.filter(lines__sku={sku!r}).values_list('number'))")
    assert len(numbers) == 1
    assert shop.captures_of(numbers[0][0]) == 1
    assert shop.stock(sku) == (49, 0)


def test_back_and_resubmit_lands_on_the_order_that_there_is(shop: ShopFloor) -> None:
    sku = f"BACK-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=5)
    with Browser(shop.url) as browser:
        form = shop.filled_checkout(browser, sku)
        first = browser.submit(form)
        shop.finished(browser, first.url)

        again = browser.submit(form)

    assert again.url == first.url
    assert shop.stock(sku) == (4, 0)


def test_two_tabs_of_one_checkout_land_on_one_order(shop: ShopFloor) -> None:
    sku = f"TABS-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=5)
    with Browser(shop.url) as browser:
        left = shop.filled_checkout(browser, sku)
        page = browser.get("/checkout/")
        right = fill(page, "checkout", **{name: left.fields[name] for name in TYPED})

        assert browser.submit(left).url == browser.submit(right).url
    assert shop.ask(f"Order.objects.filter(lines__sku={sku!r}).count()") == 1
