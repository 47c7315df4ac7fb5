"""A manager looks at a draft before it is announced, on a phone and at a desk."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.person import DESK, PHONE, open_tab, overflow
from tests.system.shop_floor import ShopFloor

pytestmark = [pytest.mark.stack, pytest.mark.browser]

_DRAFT = """
from datetime import timedelta
from django.utils import timezone
from shop.flash_sales import selling
starts_at = timezone.now() + timedelta(hours=2)
sale = selling.create_sale(selling.NewSale(
    {slug!r}, "Draft sale", starts_at, starts_at + timedelta(hours=1), challenge_work=2_000),
    actor="test")
selling.add_item(sale.pk, selling.NewItem({sku!r}, "Draft mug", 1_500, 5), actor="test")
print(sale.pk)
"""


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_preview_counts_down_and_its_button_does_nothing(
    browser: Browser, shop: ShopFloor, size: dict[str, int]
) -> None:
    sku = f"DRAFT-{size['width']}"
    shop.add_product(sku, units=10)
    sale_id = shop.python(_DRAFT.format(slug=sku.lower(), sku=sku))
    page = open_tab(browser, shop, script=True, size=size)
    missing: list[str] = []
    page.on("response", lambda got: missing.append(got.url) if got.status >= 400 else None)
    user, password = shop.stack.staff_login
    page.goto(f"/admin/flash_sales/flashsale/{sale_id}/console/")
    page.locator("[name=username]").fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("[type=submit]").click()
    page.get_by_role("link", name="Preview").click()

    expect(page.locator("#preview")).to_contain_text("only staff sees this")
    expect(page.get_by_role("timer")).to_contain_text(re.compile(r"Starts in \d:\d\d:\d\d"))
    assert overflow(page) <= 0

    page.get_by_role("link", name="Go to the door").click()
    expect(page.locator("#preview")).to_be_visible()
    expect(page.locator("#preview-button")).to_contain_text("this button does nothing")
    expect(page.locator("#task")).to_contain_text("Ready")
    expect(page.locator("#get-one")).to_be_disabled()
    expect(page.get_by_role("timer")).to_contain_text("The button works in")
    assert overflow(page) <= 0
    assert [url for url in missing if not url.endswith("/favicon.ico")] == []
    page.context.close()
