"""A person buys something in a real browser, with and without JavaScript, on a phone and a desk."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.system.shop_floor import ShopFloor

pytestmark = [pytest.mark.stack, pytest.mark.browser]

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
MAIL_MILLISECONDS = 30_000
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        yield started
        started.close()


def open_tab(browser: Browser, shop: ShopFloor, *, script: bool, size: dict[str, int]) -> Page:
    context = browser.new_context(
        base_url=shop.url,
        java_script_enabled=script,
        viewport={"width": size["width"], "height": size["height"]},
    )
    return context.new_page()


def go_to_checkout(page: Page) -> None:
    page.goto("/")
    page.locator("main a[href^='/p/']").first.click()
    page.locator("#add-to-cart").get_by_role("button", name="Add to cart").click()
    page.goto("/checkout/")


def fill_in(page: Page, card: str) -> None:
    for name, value in {
        "email": "alice@example.com",
        "name": "Alice Ahrens",
        "line1": "1 Quay Street",
        "postcode": "28195",
        "city": "Bremen",
        "card_number": card,
        "card_expiry": "12/39",
        "card_cvc": "123",
    }.items():
        page.locator(f"#checkout [name={name}]").fill(value)
    page.locator("#checkout [name=country]").select_option("DE")


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_person_buys_and_sees_the_page_reach_you_have_mail(
    browser: Browser, shop: ShopFloor, script: bool, size: dict[str, int]
) -> None:
    page = open_tab(browser, shop, script=script, size=size)
    go_to_checkout(page)
    fill_in(page, "4242 4242 4242 4242")
    page.locator("#pay").click()

    expect(page).to_have_url(re.compile(r"/orders/[\w-]+/$"))
    expect(page.locator("[data-step=mail]")).to_contain_text(
        "You have mail", timeout=MAIL_MILLISECONDS
    )
    expect(page.locator("[data-step-state=done]")).to_have_count(4)
    page.context.close()


def test_a_declined_card_is_explained_and_another_one_pays(
    browser: Browser, shop: ShopFloor
) -> None:
    page = open_tab(browser, shop, script=True, size=PHONE)
    go_to_checkout(page)
    fill_in(page, "4000 0000 0000 9995")
    page.locator("#pay").click()

    retry = page.locator("#retry-card")
    expect(retry).to_be_visible(timeout=MAIL_MILLISECONDS)
    retry.locator("[name=card_number]").fill("5555 5555 5555 4444")
    retry.locator("[name=card_expiry]").fill("12/39")
    retry.locator("[name=card_cvc]").fill("123")
    retry.get_by_role("button", name=re.compile("Pay")).click()

    expect(page.locator("[data-step=mail]")).to_contain_text(
        "You have mail", timeout=MAIL_MILLISECONDS
    )
    page.context.close()


def test_a_mistake_keeps_what_was_typed_and_is_told_at_its_field(
    browser: Browser, shop: ShopFloor
) -> None:
    page = open_tab(browser, shop, script=True, size=DESK)
    go_to_checkout(page)
    fill_in(page, "4242 4242 4242 4241")
    page.locator("#checkout [name=email]").fill("alice at home")
    page.locator("#pay").click()

    expect(page.locator("#checkout [name=city]")).to_have_value("Bremen")
    for name in ("email", "card_number"):
        field = page.locator(f"#checkout [name={name}]")
        expect(field).to_have_attribute("aria-invalid", "true")
        told_by = str(field.get_attribute("aria-describedby")).split()
        assert any(page.locator(f"[id='{part}']").inner_text().strip() for part in told_by)
    page.context.close()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_no_page_is_wider_than_its_screen(
    browser: Browser, shop: ShopFloor, size: dict[str, int]
) -> None:
    page = open_tab(browser, shop, script=True, size=size)
    go_to_checkout(page)
    category = "/c/ceramics/"
    for path in ("/", category, "/cart/", "/checkout/", "/no-such-page/"):
        page.goto(path)
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"{path} is {overflow} px too wide"
    page.context.close()


def test_staff_find_the_order_with_its_lines_payment_timeline_and_mail(
    browser: Browser, shop: ShopFloor
) -> None:
    page = open_tab(browser, shop, script=True, size=DESK)
    go_to_checkout(page)
    fill_in(page, "4242 4242 4242 4242")
    page.locator("#pay").click()
    expect(page.locator("[data-step=mail]")).to_contain_text(
        "You have mail", timeout=MAIL_MILLISECONDS
    )
    number = str(page.locator(".eyebrow").first.inner_text()).split()[-1]
    user, password = shop.stack.staff_login
    page.goto("/admin/")
    page.locator("[name=username]").fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("[type=submit]").click()

    page.goto(f"/admin/orders/order/?q={number}")
    page.get_by_role("link", name=number).click()

    for told in ("Paid with Visa", "Packed from stock", "order confirmed", "deducted"):
        expect(page.locator("body")).to_contain_text(told)
    page.context.close()
