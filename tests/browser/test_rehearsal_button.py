"""A manager presses 'Rehearse' in a real stack, a crowd comes, and the page says that it held."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from ops.stack.processes import is_alive
from tests.browser.person import DESK, PHONE, open_tab, overflow
from tests.system.shop_floor import ShopFloor, until

pytestmark = [pytest.mark.stack, pytest.mark.browser, pytest.mark.timeout(400)]

SKU = "REHEARSED-MUG"
HELD_MS = 300_000
_DRAFT = """
from datetime import timedelta
from django.utils import timezone
from orders.services.shelf import receive_stock
from shop.flash_sales import selling
receive_stock({sku!r}, 20, "test")
now = timezone.now()
sale = selling.create_sale(selling.NewSale(
    {slug!r}, "Autumn sale", now + timedelta(hours=1), now + timedelta(hours=2)), actor="test")
selling.add_item(sale.pk, selling.NewItem({sku!r}, "Mug", 1_000, 10), actor="test")
print(sale.pk)
"""
_STATE = """
from shop.flash_sales.models import Rehearsal
print("|".join(Rehearsal.objects.values_list("status", "reason", "shadow__status").first()))
"""


@pytest.fixture(scope="module")
def rehearsing(shop: ShopFloor) -> Iterator[ShopFloor]:
    """The shop with the part that only './dev up' starts."""
    if shop.stack.environment["REHEARSALS"] != "1":
        pytest.skip("some servers are the caller's own, and no rehearsal may touch them")
    shop.stack.start_part("rehearser")
    yield shop
    shop.stack.stop_part("rehearser")


def form_of_a_draft(page: Page, shop: ShopFloor, slug: str) -> None:
    sale_id = shop.python(_DRAFT.format(sku=f"{SKU}-{slug.upper()}", slug=slug))
    user, password = shop.stack.staff_login
    page.goto(f"/admin/flash_sales/flashsale/{sale_id}/change/")
    page.locator("[name=username]").fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("[type=submit]").click()
    page.get_by_role("link", name="Rehearse…").click()
    expect(page.locator("#desk-form")).to_be_visible()


def fill_in(page: Page, **fields: int) -> None:
    for name, value in fields.items():
        page.locator(f"[name={name}]").fill(str(value))
    page.get_by_role("button", name="Rehearse").click()


def verdict(page: Page) -> str:
    return page.locator("#verdict").get_attribute("data-verdict") or ""


def without_script(browser: Browser, page: Page) -> str:
    """What the verdict says to the same person whose browser runs no script."""
    context = browser.new_context(
        storage_state=page.context.storage_state(), java_script_enabled=False
    )
    tab = context.new_page()
    tab.goto(page.url)
    shoot(tab, "no-script")
    told = tab.locator("#verdict").inner_text()  # only what can be seen
    context.close()
    return told


def shoot(page: Page, name: str) -> None:
    """For people who want to look: PICTURES names a folder."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_manager_rehearses_a_sale_and_the_page_says_by_itself_that_it_held(
    browser: Browser, rehearsing: ShopFloor
) -> None:
    page = open_tab(browser, rehearsing, script=True, size=PHONE)
    form_of_a_draft(page, rehearsing, "held")
    assert overflow(page) <= 0
    shoot(page, "form-phone")

    fill_in(page, units=10, crowd=60, hold_seconds=10)

    expect(page.locator("[data-figure=sold]")).to_be_visible(timeout=60_000)
    assert overflow(page) <= 0
    shoot(page, "running-phone")
    expect(page.locator("#endings")).to_be_visible(timeout=HELD_MS)
    assert (verdict(page), page.locator("#faults").all_inner_texts()) == ("held", [])
    assert page.locator("[data-figure=sold]").inner_text() == "10"
    assert "held" in without_script(browser, page)
    expect(page.locator("#endings")).to_contain_text("Paid")
    expect(page.locator("svg[role=img] polyline").first).to_be_attached()
    assert overflow(page) <= 0
    shoot(page, "held-phone")
    page.set_viewport_size({"width": DESK["width"], "height": DESK["height"]})
    assert overflow(page) <= 0
    shoot(page, "held-desk")
    until(lambda: rehearsing.python(_STATE), lambda told: told == "held||ended", seconds=20)
    page.context.close()


def test_a_rehearser_that_is_killed_leaves_a_reason_and_no_sale_behind(
    browser: Browser, rehearsing: ShopFloor
) -> None:
    stack = rehearsing.stack
    page = open_tab(browser, rehearsing, script=True, size=DESK)
    form_of_a_draft(page, rehearsing, "killed")
    shoot(page, "form-desk")
    fill_in(page, units=10, crowd=60, hold_seconds=600)
    until(lambda: rehearsing.python(_STATE), lambda told: told == "running||announced", seconds=60)
    rehearser = psutil.Process(stack.pid("rehearser"))
    crowd = until(lambda: rehearser.children(recursive=True), bool, seconds=30)

    stack.kill_part("rehearser")

    told = until(
        lambda: rehearsing.python(_STATE), lambda told: told.endswith("|ended"), seconds=60
    )
    assert told.startswith("failed|The process that ran it ended before")
    until(lambda: [one for one in crowd if is_alive(one.pid)], lambda left: not left, seconds=20)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("ended before the rehearsal did")
    shoot(page, "failed-desk")
    page.context.close()
