"""A person buys something in a real browser, with and without JavaScript, on a phone and a desk."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.person import (
    DESK,
    MAIL_MILLISECONDS,
    PHONE,
    fill_in,
    go_to_checkout,
    open_tab,
    overflow,
)
from tests.system.shop_floor import ShopFloor

pytestmark = [pytest.mark.stack, pytest.mark.browser]


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
        assert overflow(page) <= 0, f"{path} is too wide"
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
