"""A person in a flash sale on a phone: door, line, ticket, paid; with and without JavaScript."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.person import PHONE, fill_in, open_tab, overflow
from tests.system.shop_floor import ShopFloor, until

pytestmark = [pytest.mark.stack, pytest.mark.browser]

TURN_MILLISECONDS = 20_000

_OPEN_SALE = """
from datetime import timedelta
from django.utils import timezone
from shop.flash_sales import selling
from shop.flash_sales.models import SaleItem
starts_at = timezone.now() + timedelta(seconds={starts_in})
new = selling.NewSale({slug!r}, "Harbour sale", starts_at, starts_at + timedelta(hours=1),
    challenge_work={work})
sale = selling.create_sale(new, actor="test")
selling.add_item(sale.pk, selling.NewItem({sku!r}, "Tide mug", 1500, {units}), actor="test")
selling.announce(sale.pk, actor="test")
"""
_GATE_IS_BUILT = "from shop.flash_sales.models import FlashSale; print({found})"


def open_sale(shop: ShopFloor, *, units: int = 1, starts_in: int = -60, work: int = 0) -> str:
    """The address of a sale that the keeper knows of; ``starts_in`` seconds; ``work``: hashes."""
    sku = f"SALE-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=units)
    slug = sku.lower()
    facts = {"sku": sku, "slug": slug, "units": units, "starts_in": starts_in, "work": work}
    shop.python(_OPEN_SALE.format(**facts))
    found = f"FlashSale.objects.get(slug={slug!r}).generation"
    until(
        lambda: shop.python(_GATE_IS_BUILT.format(found=found)),
        lambda built: int(built) > 0,
        seconds=30,
    )
    return f"/sale/{slug}/"


def goes_in(page: Page, sale: str) -> None:
    page.goto(sale)
    assert overflow(page) <= 0
    page.get_by_role("link", name="Go to the door").click()
    assert overflow(page) <= 0
    page.locator("#get-one").click()


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_person_waits_in_line_and_pays_for_the_unit_that_another_gave_back(
    browser: Browser, shop: ShopFloor, script: bool
) -> None:
    sale = open_sale(shop)
    first = open_tab(browser, shop, script=script, size=PHONE)
    second = open_tab(browser, shop, script=script, size=PHONE)
    goes_in(first, sale)
    expect(first.locator("#ticket-left")).to_contain_text("Pay within")
    assert overflow(first) <= 0

    goes_in(second, sale)
    expect(second.locator("#line-headline")).to_have_text("You are next")
    expect(second.locator("#line-text")).to_contain_text("1 held by others may come back")
    assert overflow(second) <= 0
    second.reload()
    expect(second.locator("#line-headline")).to_have_text("You are next")

    first.locator("#give-back button").click()
    expect(first.locator("#answer")).to_have_text("The unit is given back")

    # Nobody touches the second phone: the page goes on by itself.
    expect(second).to_have_url(re.compile(r"/ticket/$"), timeout=TURN_MILLISECONDS)
    fill_in(second, "4242 4242 4242 4242")
    second.locator("#pay").click()
    expect(second).to_have_url(re.compile(r"/orders/[\w-]+/$"))
    expect(second.locator("[data-step-state=done]").first).to_be_visible()
    first.context.close()
    second.context.close()


def test_the_door_opens_by_the_shops_clock_on_a_phone_whose_own_is_an_hour_ahead(
    browser: Browser, shop: ShopFloor
) -> None:
    sale = open_sale(shop, starts_in=25)
    page = open_tab(browser, shop, script=True, size=PHONE)
    page.clock.install(time=datetime.now(UTC) + timedelta(hours=1))
    page.goto(sale)
    expect(page.get_by_role("timer")).to_contain_text(re.compile(r"Starts in 00:\d\d"))
    page.get_by_role("link", name="Go to the door").click()

    expect(page.locator("#get-one")).to_be_disabled()
    expect(page.locator("#get-one")).to_be_enabled(timeout=40_000)
    page.locator("#get-one").click()

    expect(page).to_have_url(re.compile(r"/ticket/$"))
    page.context.close()


def test_whoever_comes_when_all_is_paid_is_told_at_once(browser: Browser, shop: ShopFloor) -> None:
    sale = open_sale(shop)
    buyer = open_tab(browser, shop, script=True, size=PHONE)
    late = open_tab(browser, shop, script=True, size=PHONE)
    goes_in(buyer, sale)
    goes_in(late, sale)
    fill_in(buyer, "4242 4242 4242 4242")
    buyer.locator("#pay").click()

    # Whoever was in line sees the end without asking.
    expect(late.locator("#answer")).to_have_text("Sold out", timeout=TURN_MILLISECONDS)
    goes_in(late, sale)
    expect(late.locator("#answer")).to_have_text("Sold out")
    assert overflow(late) <= 0
    buyer.context.close()
    late.context.close()
