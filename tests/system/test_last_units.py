"""More buyers than units: each unit is sold once, everybody else is told."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from ops.demo.browser import Browser, Page
from tests.system.shop_floor import ShopFloor

pytestmark = pytest.mark.stack

BUYERS, UNITS = 50, 10


def test_fifty_buyers_of_ten_units_are_ten_paid_and_forty_told(shop: ShopFloor) -> None:
    sku = f"TEN-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=UNITS)
    browsers = [Browser(shop.url) for _ in range(BUYERS)]

    def prepare(number: int) -> object:
        return shop.filled_checkout(browsers[number], sku, who=number)

    def buy(number: int) -> Page:
        return browsers[number].submit(forms[number])  # type: ignore[arg-type]  # map loses it

    with ThreadPoolExecutor(BUYERS) as crowd:
        forms = list(crowd.map(prepare, range(BUYERS)))
        answers = list(crowd.map(buy, range(BUYERS)))

    winners = [n for n, answer in enumerate(answers) if "/orders/" in answer.url]
    told = [answer for answer in answers if answer.status == 409]
    assert (len(winners), len(told)) == (UNITS, BUYERS - UNITS)
    for number in winners:
        page = shop.finished(browsers[number], answers[number].url)
        assert "You have mail" in page.texts("//*[@data-step='mail']")[0]
    for answer in told:
        words = " ".join(answer.document.text_content().split())
        assert sku in words
        assert "Nothing was ordered and nothing charged" in words
    assert shop.stock(sku) == (0, 0)
    assert shop.audit()["ok"]
    for browser in browsers:
        browser.__exit__()
