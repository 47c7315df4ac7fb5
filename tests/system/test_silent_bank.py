"""The bank does not answer: the shopper is told so in plain words, and is charged once."""

from uuid import uuid4

import pytest

from ops.demo.browser import Browser
from tests.system.shop_floor import ShopFloor, until

pytestmark = pytest.mark.stack


def test_a_silent_bank_is_told_and_its_answer_is_asked_for_again(shop: ShopFloor) -> None:
    sku = f"SILENT-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=5)
    with Browser(shop.url) as browser:
        shop.bank("down")
        try:
            page = browser.submit(shop.filled_checkout(browser, sku))
            told = until(
                lambda: browser.get(page.url),
                lambda seen: "you will not be charged twice" in seen.document.text_content(),
                seconds=30,
            )
            assert told.document.xpath("//*[@id='progress'][@data-pending='true']")
        finally:
            shop.bank("ok")

        end = shop.finished(browser, page.url, seconds=90)

    assert "You have mail" in end.texts("//*[@data-step='mail']")[0]
    number = shop.ask(f"Order.objects.get(lines__sku={sku!r}).number")
    assert shop.captures_of(number) == 1
