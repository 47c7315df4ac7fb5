"""The task of a sale on a phone: the browser solves it, says so, and then the button works."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.person import PHONE, open_tab, overflow
from tests.browser.test_flash_sale import open_sale
from tests.system.shop_floor import ShopFloor

pytestmark = [pytest.mark.stack, pytest.mark.browser]

SOLVED_MILLISECONDS = 60_000


def test_the_button_works_once_the_browser_has_solved_the_task_and_a_ticket_comes(
    browser: Browser, shop: ShopFloor
) -> None:
    sale = open_sale(shop, work=200_000)
    page = open_tab(browser, shop, script=True, size=PHONE)
    page.goto(sale)
    page.get_by_role("link", name="Go to the door").click()

    expect(page.locator("#task")).to_contain_text("Ready", timeout=SOLVED_MILLISECONDS)
    expect(page.locator("#get-one")).to_be_enabled()
    assert overflow(page) <= 0

    # The work is done once: without the worker's script a reload is ready as well.
    page.route("**/hashing*.js", lambda route: route.abort())
    page.reload()
    expect(page.locator("#task")).to_contain_text("Ready")
    page.locator("#get-one").click()
    expect(page).to_have_url(re.compile(r"/ticket/$"))
    page.context.close()


def test_until_the_task_is_solved_the_page_says_what_the_browser_does(
    browser: Browser, shop: ShopFloor
) -> None:
    sale = open_sale(shop, work=200_000)
    page = open_tab(browser, shop, script=True, size=PHONE)
    # The script of the worker does not come: nothing is solved.
    page.route("**/hashing*.js", lambda route: None)
    page.goto(sale)
    page.get_by_role("link", name="Go to the door").click()

    expect(page.locator("#task")).to_contain_text("Getting ready")
    expect(page.locator("#get-one")).to_be_disabled()
    assert overflow(page) <= 0
    page.context.close()


def test_a_browser_that_cannot_solve_it_is_told_what_to_do(
    browser: Browser, shop: ShopFloor
) -> None:
    sale = open_sale(shop, work=200_000)
    page = open_tab(browser, shop, script=True, size=PHONE)
    page.route("**/hashing*.js", lambda route: route.abort())
    page.goto(sale)
    page.get_by_role("link", name="Go to the door").click()

    expect(page.locator("#task")).to_contain_text("Load this page anew")
    expect(page.locator("#get-one")).to_be_disabled()
    page.context.close()


def test_a_task_that_is_solved_early_does_not_open_the_door_before_the_start(
    browser: Browser, shop: ShopFloor
) -> None:
    sale = open_sale(shop, starts_in=40, work=1_000)
    page = open_tab(browser, shop, script=True, size=PHONE)
    page.goto(sale)
    page.get_by_role("link", name="Go to the door").click()

    expect(page.locator("#task")).to_contain_text("Ready")
    expect(page.get_by_role("timer")).to_contain_text(re.compile(r"The button works in \d\d:\d\d"))
    expect(page.locator("#get-one")).to_be_disabled()
    expect(page.locator("#get-one")).to_be_enabled(timeout=60_000)
    page.locator("#get-one").click()
    expect(page).to_have_url(re.compile(r"/ticket/$"))
    page.context.close()


def test_without_javascript_the_door_says_that_the_sale_needs_it(
    browser: Browser, shop: ShopFloor
) -> None:
    sale = open_sale(shop, work=200_000)
    page = open_tab(browser, shop, script=False, size=PHONE)
    page.goto(sale)
    expect(page.locator("main noscript p")).to_contain_text("needs JavaScript")
    page.get_by_role("link", name="Go to the door").click()

    expect(page.locator("main noscript p")).to_be_visible()
    expect(page.locator("main noscript p")).to_contain_text("needs JavaScript")
    expect(page.locator("#get-one")).to_be_disabled()
    assert overflow(page) <= 0
    page.context.close()
