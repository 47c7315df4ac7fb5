"""A person on the page of an order: at the bank and back, cancelling, sending something back."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

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

GOOD = "4242 4242 4242 4242"
ASKS_FIRST = "4000 0027 6000 3184"
ORDER_PAGE = re.compile(r"/orders/[\w-]+/(#returns)?$")
WAYS = pytest.mark.parametrize(
    ("script", "size"),
    [(True, DESK), (False, PHONE)],
    ids=["desk with JavaScript", "phone without JavaScript"],
)


def buy(page: Page, card: str) -> None:
    go_to_checkout(page)
    fill_in(page, card)
    page.locator("#pay").click()
    expect(page).to_have_url(ORDER_PAGE)


def reach_you_have_mail(page: Page) -> None:
    expect(page.locator("[data-step=mail]")).to_contain_text(
        "You have mail", timeout=MAIL_MILLISECONDS
    )


def in_the_shop(shop: ShopFloor, page: Page, deed: str) -> None:
    """What the staff does with the order on this page."""
    number = page.locator("#order-number").inner_text()
    shop.python(
        "from uuid import uuid4\n"
        "from orders.models import Order\n"
        "from orders.services.shipping import mark_delivered, ship_lines\n"
        f"order = Order.objects.get(number={number!r})\n{deed}"
    )


@WAYS
def test_a_person_goes_to_the_bank_comes_back_and_has_paid(
    browser: Browser, shop: ShopFloor, script: bool, size: dict[str, int]
) -> None:
    page = open_tab(browser, shop, script=script, size=size)
    buy(page, ASKS_FIRST)
    page.locator("#continue-to-bank").click(timeout=MAIL_MILLISECONDS)
    page.get_by_role("button", name="It is me", exact=True).click()

    expect(page).to_have_url(ORDER_PAGE)
    reach_you_have_mail(page)
    expect(page.locator("#continue-to-bank")).to_have_count(0)
    page.context.close()


def test_a_person_who_does_not_go_to_the_bank_gives_another_card(
    browser: Browser, shop: ShopFloor
) -> None:
    page = open_tab(browser, shop, script=True, size=PHONE)
    buy(page, ASKS_FIRST)
    page.locator("#leave-bank button").click(timeout=MAIL_MILLISECONDS)

    retry = page.locator("#retry-card")
    expect(retry).to_be_visible(timeout=MAIL_MILLISECONDS)
    expect(retry.locator("#hold-left")).to_contain_text("Your things are kept for you for")
    retry.locator("[name=card_number]").fill(GOOD)
    retry.locator("[name=card_expiry]").fill("12/39")
    retry.locator("[name=card_cvc]").fill("123")
    retry.get_by_role("button", name=re.compile("Pay")).click()

    reach_you_have_mail(page)
    page.context.close()


@WAYS
def test_a_person_cancels_and_sees_the_money_go_back(
    browser: Browser, shop: ShopFloor, script: bool, size: dict[str, int]
) -> None:
    page = open_tab(browser, shop, script=script, size=size)
    buy(page, GOOD)
    reach_you_have_mail(page)
    page.locator("#cancel-order").click()
    expect(page.locator("#promise")).to_contain_text("back to Visa ·· 4242")
    assert not script or overflow(page) <= 0
    page.get_by_role("button", name="Cancel the order").click()

    expect(page.locator("#order-headline")).to_have_text("This order is cancelled.")
    expect(page.locator("[data-refund=done]")).to_contain_text(
        "It went to Visa ·· 4242", timeout=MAIL_MILLISECONDS
    )
    page.context.close()


def test_a_person_sends_something_back_and_changes_their_mind(
    browser: Browser, shop: ShopFloor
) -> None:
    page = open_tab(browser, shop, script=True, size=PHONE)
    buy(page, GOOD)
    reach_you_have_mail(page)
    in_the_shop(
        shop,
        page,
        "parcel = ship_lines(order.pk, form_key=uuid4(), actor='staff', carrier='dhl',"
        " tracking_code='JJD014600003RSA')\nmark_delivered(parcel.pk, actor='staff')",
    )
    page.reload()
    expect(page.locator("#order-headline")).to_have_text("Your order has arrived.")
    page.locator("#send-back").click()
    assert overflow(page) <= 0
    page.locator("#return select").select_option("1")
    page.locator("#return [name=reason]").fill("It is chipped.")
    page.get_by_role("button", name="Announce the return").click()

    coming = page.locator("[data-return]")
    expect(coming).to_contain_text("Announced")
    assert overflow(page) <= 0
    coming.get_by_role("button", name="Call this return off").click()
    expect(coming).to_contain_text("You keep the things.")
    page.context.close()
