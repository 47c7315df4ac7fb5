"""Each deed of the order desk in a real browser, on a phone and at a desk."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.person import DESK, PHONE, overflow
from tests.system.shop_floor import ShopFloor, until

pytestmark = [pytest.mark.stack, pytest.mark.browser]

SKU = "DESK-MUG"
WANTED = (
    *("ship", "cancel", "refund", "return", "withdraw", "resend"),
    *("bulk ship phone", "bulk ship desk", "bulk cancel", "bulk resend", "bulk refund", "look"),
)
_PLACE = """
import json
from uuid import uuid4
from orders.services.cards import Card
from orders.services.placement import Address, LineRequest, PlaceOrder, place_order
found = {{}}
for name in {names!r}:
    order = place_order(PlaceOrder(
        idempotency_key=uuid4(), email="desk@example.com", currency="EUR",
        address=Address("Dora Desk", "1 Quay Street", "", "28195", "Bremen", "DE"),
        lines=(LineRequest({sku!r}, "Desk mug", 2_000, 2),),
        card=Card("pm_card_visa", "visa", "4242")))
    found[name] = (order.pk, order.number)
print(json.dumps(found))
"""
Orders = dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def orders(shop: ShopFloor) -> Orders:
    """Paid and packed orders of two units, one for each test, by its name."""
    shop.add_product(SKU, units=60)
    placed: Orders = json.loads(shop.python(_PLACE.format(names=WANTED, sku=SKU)))
    keys = [pk for pk, _ in placed.values()]
    packed = (
        f"Order.objects.filter(pk__in={keys}, fulfilment='packed', notifications__status='sent')"
    )
    until(lambda: shop.ask(f"{packed}.count()"), lambda n: n == len(keys), seconds=90)
    return placed


@pytest.fixture(scope="module")
def signed_in(browser: Browser, shop: ShopFloor) -> str:
    """The cookies of somebody of the staff, as Playwright stores them."""
    context = browser.new_context(base_url=shop.url)
    page = context.new_page()
    user, password = shop.stack.staff_login
    page.goto("/admin/")
    page.locator("[name=username]").fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("[type=submit]").click()
    expect(page).to_have_url(re.compile(r"/admin/$"))
    stored = json.dumps(context.storage_state())
    context.close()
    return stored


@pytest.fixture(params=[PHONE], ids=["phone"])
def page(
    request: pytest.FixtureRequest, browser: Browser, shop: ShopFloor, signed_in: str
) -> Iterator[Page]:
    context = browser.new_context(
        base_url=shop.url, viewport=request.param, storage_state=json.loads(signed_in)
    )
    yield context.new_page()
    context.close()


on_desk = pytest.mark.parametrize("page", [DESK], ids=["desk"], indirect=True)


def go_to(page: Page, order: tuple[int, str]) -> None:
    page.goto(f"/admin/orders/order/{order[0]}/change/")


def deed(page: Page, name: str) -> None:
    page.get_by_role("link", name=f"{name}…", exact=True).first.click()
    expect(page.locator("#desk-form")).to_be_visible()


def send(page: Page) -> None:
    page.locator("#desk-form [type=submit]").click()


def told(page: Page, words: str) -> None:
    expect(page.locator("body")).to_contain_text(words)


def test_staff_ship_some_units_and_mark_the_parcel_delivered(page: Page, orders: Orders) -> None:
    go_to(page, orders["ship"])
    deed(page, "Ship")
    page.get_by_label("to ship of Desk mug").fill("1")
    page.get_by_label("Carrier").select_option("dhl")
    page.get_by_label("Tracking code").fill("JJD000390007")
    send(page)
    told(page, "is on its way. The shopper gets a mail.")
    told(page, "partly shipped")
    expect(page.get_by_role("link", name="DHL JJD000390007")).to_be_visible()

    deed(page, "Mark delivered")
    send(page)
    told(page, "has arrived")


@on_desk
def test_staff_cancel_an_order_with_a_reason(page: Page, orders: Orders) -> None:
    go_to(page, orders["cancel"])
    deed(page, "Cancel the order")
    send(page)
    told(page, "Say why")

    page.get_by_label("Why is the order cancelled?").fill("The shopper called.")
    send(page)

    told(page, "The order is cancelled")
    told(page, "Cancelled: The shopper called.")


@on_desk
def test_staff_refund_the_price_of_one_unit(page: Page, orders: Orders) -> None:
    go_to(page, orders["refund"])
    deed(page, "Refund")
    page.get_by_label("the price of the units chosen below").check()
    page.get_by_label("to refund of Desk mug").fill("1")
    page.get_by_label("Why does it go back?").fill("A scratch.")
    send(page)

    told(page, "20.00 is on its way back")


def test_staff_announce_a_return_and_receive_it(page: Page, orders: Orders) -> None:
    go_to(page, orders["return"])
    deed(page, "Ship")
    send(page)
    deed(page, "Announce a return")
    page.get_by_label("coming back of Desk mug").fill("2")
    page.get_by_label("Why do they come back?").fill("Too big.")
    send(page)
    told(page, "is announced")

    deed(page, "Receive")
    page.get_by_label("restocked of Desk mug").fill("1")
    send(page)

    told(page, "is received")
    told(page, "2 came, 1 back on the shelf")


@on_desk
def test_staff_withdraw_a_return(page: Page, orders: Orders) -> None:
    go_to(page, orders["withdraw"])
    deed(page, "Ship")
    send(page)
    deed(page, "Announce a return")
    page.get_by_label("coming back of Desk mug").fill("1")
    page.get_by_label("Why do they come back?").fill("Too big.")
    send(page)

    deed(page, "Withdraw")
    send(page)

    told(page, "is withdrawn")


def test_staff_send_a_mail_again(page: Page, orders: Orders, shop: ShopFloor) -> None:
    go_to(page, orders["resend"])
    deed(page, "Send again")
    send(page)

    told(page, "is on its way to desk@example.com again")
    sent = f"Notification.objects.filter(order={orders['resend'][0]}, status='sent').count()"
    until(lambda: shop.ask(sent), lambda n: n >= 2, seconds=30)


@on_desk
def test_staff_have_the_bank_asked_again(page: Page, orders: Orders, shop: ShopFloor) -> None:
    shop.bank("down")
    try:
        placed: Orders = json.loads(shop.python(_PLACE.format(names=["waiting"], sku=SKU)))
        go_to(page, placed["waiting"])
        deed(page, "Ask the bank again")
        send(page)
        told(page, "The bank is being asked")
    finally:
        shop.bank("ok")
    paid = f"Order.objects.filter(pk={placed['waiting'][0]}, status='paid').count()"
    until(lambda: shop.ask(paid), lambda n: n == 1, seconds=60)


def choose(page: Page, order: tuple[int, str], action: str) -> None:
    page.goto(f"/admin/orders/order/?q={order[1]}")
    page.locator("[name=_selected_action]").first.check()
    page.locator("[name=action]").first.select_option(action)
    page.locator(
        "#changelist-form button[name=index], #changelist-form [type=submit]"
    ).first.click()
    expect(page.locator("#desk-bulk")).to_be_visible()


@pytest.mark.parametrize(
    ("page", "name"),
    [(PHONE, "bulk ship phone"), (DESK, "bulk ship desk")],
    ids=["phone", "desk"],
    indirect=["page"],
)
def test_staff_ship_what_they_chose_in_the_list(page: Page, name: str, orders: Orders) -> None:
    choose(page, orders[name], "ship")
    page.locator("#desk-bulk [type=submit]").click()

    expect(page.locator("#report")).to_contain_text("1 done, 0 refused")


@on_desk
def test_staff_cancel_what_they_chose_in_the_list(page: Page, orders: Orders) -> None:
    choose(page, orders["bulk cancel"], "cancel")
    page.get_by_label("Why are they cancelled?").fill("The supplier is late.")
    page.locator("#desk-bulk [type=submit]").click()

    expect(page.locator("#report")).to_contain_text("1 done, 0 refused")


@on_desk
def test_staff_send_the_last_mail_of_what_they_chose_again(page: Page, orders: Orders) -> None:
    choose(page, orders["bulk resend"], "resend_last")
    page.locator("#desk-bulk [type=submit]").click()

    expect(page.locator("#report")).to_contain_text("1 done, 0 refused")


@on_desk
def test_staff_refund_what_is_too_much_and_are_told_when_it_is_not(
    page: Page, orders: Orders
) -> None:
    choose(page, orders["bulk refund"], "refund_overpaid")
    page.locator("#desk-bulk [type=submit]").click()

    expect(page.locator("#report")).to_contain_text("was not paid twice. Nothing was refunded.")


@pytest.mark.parametrize("page", [PHONE, DESK], ids=["phone", "desk"], indirect=True)
def test_no_page_of_the_desk_is_wider_than_its_screen(page: Page, orders: Orders) -> None:
    base, order = "/admin/orders/order/", orders["look"][0]
    for path in (
        *(base, f"{base}?attention=any", f"{base}{order}/change/"),
        *(f"{base}{order}/{verb}/" for verb in ("ship", "cancel", "refund", "slip", "invoice")),
        *(f"{base}{orders['return'][0]}/change/", f"{base}{orders['ship'][0]}/change/"),
    ):
        page.goto(path)
        assert overflow(page) <= 0, path
