"""A person opens an account on a phone, buys, and finds every order in it, guest orders too."""

import re
from email import message_from_bytes, policy
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from ops.stack.layout import Layout
from tests.browser.person import MAIL_MILLISECONDS, PHONE, go_to_checkout, open_tab
from tests.system.shop_floor import ShopFloor, until

pytestmark = [pytest.mark.stack, pytest.mark.browser]

PASSWORD = "low tide at nine"


def pays(page: Page, **typed: str) -> str:
    """Fills in what the checkout does not know yet; the order's number."""
    for name, value in {
        **typed,
        "card_number": "4242 4242 4242 4242",
        "card_expiry": "12/39",
        "card_cvc": "123",
    }.items():
        page.locator(f"#checkout [name={name}]").fill(value)
    page.locator("#checkout [name=country]").select_option("DE")
    page.locator("#pay").click()
    expect(page).to_have_url(re.compile(r"/orders/[\w-]+/$"))
    return str(page.locator("#order-number").inner_text())


def link_mailed_to(shop: ShopFloor, email: str) -> str:
    """The first link of the newest mail about an account that this address got."""
    folder = Layout.of("test").data("mail")

    def look() -> list[str]:
        newest_first = sorted(folder.glob("*.eml"), key=lambda file: -file.stat().st_mtime)
        mails = (
            message_from_bytes(file.read_bytes(), policy=policy.default) for file in newest_first
        )
        texts = [
            mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
            for mail in mails
            if mail["To"] == email
        ]
        return [link for text in texts for link in re.findall(r"https?://\S+/account/\S+", text)]

    return until(look, bool, seconds=MAIL_MILLISECONDS / 1_000)[0]


def test_a_person_opens_an_account_buys_and_finds_all_orders_in_it(
    browser: Browser, shop: ShopFloor
) -> None:
    email = f"ada-{uuid4().hex[:8]}@example.com"
    page = open_tab(browser, shop, script=True, size=PHONE)
    at_home = {
        "name": "Ada Lovelace",
        "line1": "1 Quay Street",
        "postcode": "28195",
        "city": "Bremen",
    }
    go_to_checkout(page)
    as_guest = pays(page, email=email, **at_home)

    page.get_by_role("link", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Open an account").click()
    page.locator("#sign-up [name=email]").fill(email)
    page.get_by_role("button", name="Send me the link").click()
    expect(page.locator("h1")).to_have_text("Please look at your mail")
    link = link_mailed_to(shop, email)
    assert overflow(page, link) == 0
    page.locator("#choose-password [name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Save the password").click()
    expect(page.locator("main")).to_contain_text("your earlier order is in it")
    expect(page.locator(".order-row")).to_contain_text(as_guest)

    go_to_checkout(page)
    expect(page.locator("#checkout [name=email]")).to_have_value(email)
    page.locator("#checkout [name=keep_address]").check()
    signed_in = pays(page, **at_home)
    go_to_checkout(page)
    expect(page.locator("#checkout [name=line1]")).to_have_value("1 Quay Street")

    page.goto("/account/orders/")
    expect(page.locator(".order-row")).to_have_count(2)
    for number in (as_guest, signed_in):
        expect(page.locator("main")).to_contain_text(number)
    fits = [
        *("/account/", "/account/orders/", "/account/addresses/", "/account/addresses/add/"),
        *("/account/data/", "/account/password/", "/account/email/", "/checkout/"),
    ]
    assert {path: overflow(page, path) for path in fits} == dict.fromkeys(fits, 0)

    page.goto("/account/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("main")).to_contain_text("You are signed out")
    out = ["/account/sign-in/", "/account/sign-up/", "/account/find-order/", "/account/mail/"]
    assert {path: overflow(page, path) for path in out} == dict.fromkeys(out, 0)
    page.context.close()


def overflow(page: Page, path: str) -> int:
    """Pixels by which the page is wider than its screen."""
    page.goto(path)
    wider = "Math.max(0, document.documentElement.scrollWidth - window.innerWidth)"
    return int(page.evaluate(wider))
