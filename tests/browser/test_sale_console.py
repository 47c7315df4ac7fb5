"""A manager watches a flash sale from a phone and pauses it."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.person import PHONE, open_tab, overflow
from tests.system.shop_floor import ShopFloor

pytestmark = [pytest.mark.stack, pytest.mark.browser]

SKU = "CONSOLE-MUG"
PATIENCE_MS = 20_000
_OPEN = """
from datetime import timedelta
from django.utils import timezone
from shop.flash_sales import selling
now = timezone.now()
sale = selling.create_sale(selling.NewSale(
    "console", "Console sale", now - timedelta(minutes=1), now + timedelta(hours=1)), actor="test")
selling.add_item(sale.pk, selling.NewItem({sku!r}, "Mug", 1_000, 5), actor="test")
selling.announce(sale.pk, actor="test")
print(sale.pk)
"""
_CLICK = """
from shop.flash_sales.entry import answer_click
from shop.flash_sales.models import SaleItem
item = SaleItem.objects.select_related("sale").get(sku={sku!r})
print(answer_click(item.sale, item, "visitor:console").said)
"""


def figure(page: Page, name: str) -> str:
    return page.locator(f"[data-figure={name}]").inner_text()


def test_the_console_follows_the_sale_by_itself_and_its_buttons_work_on_a_phone(
    browser: Browser, shop: ShopFloor
) -> None:
    shop.add_product(SKU, units=10)
    sale_id = shop.python(_OPEN.format(sku=SKU))
    page = open_tab(browser, shop, script=True, size=PHONE)
    user, password = shop.stack.staff_login
    page.goto(f"/admin/flash_sales/flashsale/{sale_id}/console/")
    page.locator("[name=username]").fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("[type=submit]").click()
    expect(page.locator("[data-figure=free]")).to_have_text("5")
    # The keeper has built the gate: the page says so by not complaining any more.
    expect(page.get_by_role("alert")).to_have_count(0, timeout=PATIENCE_MS)

    assert shop.python(_CLICK.format(sku=SKU)) == "ticket"

    expect(page.locator("[data-figure=held]")).to_have_text("1", timeout=PATIENCE_MS)
    assert figure(page, "free") == "4"
    expect(page.locator("svg[role=img] polyline").first).to_be_attached()
    assert overflow(page) <= 0

    page.get_by_role("link", name="Pause…").click()
    page.locator("[name=reason]").fill("The bank is slow.")
    assert overflow(page) <= 0
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#sale-live")).to_contain_text("The bank is slow.")
    expect(page.get_by_role("link", name=re.compile("Resume"))).to_be_visible()
    page.context.close()
