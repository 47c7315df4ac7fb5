"""The order's page in each state: what it says, and what it offers."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from orders import selectors
from orders.models import Notification, Order, Payment, Refund, StockItem
from orders.services import stock
from orders.services.invoice import issue_invoice
from orders.services.personal_data import ask_for_erasure
from orders.services.returns import withdraw_return
from orders.services.timeline import SHOPPER
from orders.states import PaymentStatus
from orders.story.telling import tell
from tests.integration import order_lives as lives
from tests.integration.sandbox_server import SandboxServer
from tests.integration.shop_visitor import Page, Visitor

ACTIONS = {"retry-card", "continue-to-bank", "leave-bank", "cancel-order", "send-back"}


@pytest.fixture(autouse=True)
def _shop(db: None, settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


def look(order: Order) -> Page:
    return Visitor().get(f"/orders/{order.token}/")


def offered(page: Page) -> set[str]:
    return ACTIONS & set(page.root.xpath("//*/@id"))


def steps(page: Page) -> dict[str, str]:
    found = page.root.xpath("//*[@data-step]")
    return {str(step.get("data-step")): str(step.get("data-step-state")) for step in found}


def unanswered() -> Order:
    """As a worker leaves it whose question the bank did not answer."""
    order = lives.placed()
    order.payments.update(status=PaymentStatus.UNKNOWN, asked_at=timezone.now())
    return order


def hold_over() -> Order:
    order = lives.declined()
    lives.end_hold(order)
    return order


def gone_to_no_bank() -> Order:
    """The shopper did not go to the bank, and the worker called the payment off."""
    order = lives.checked()
    lives.end_hold(order)
    lives.ask_bank(order)
    Order.objects.update(hold_expires_at=timezone.now() + timedelta(minutes=9))
    return order


def mail_refused() -> Order:
    order = lives.packed()
    order.notifications.update(status=Notification.Status.REFUSED, problem="no such mailbox")
    return order


def cancelled_while_asked() -> Order:
    return lives.cancelled(unanswered())


def cancelled_and_refunded() -> Order:
    return lives.move_refunds(lives.cancelled(lives.confirmed()))


def cancelled_and_refused() -> Order:
    refused = lives.cancelled(lives.confirmed("pm_sandbox_refund_refused"))
    return lives.move_refunds(refused)


def refund_pending() -> Order:
    order = lives.delivered("pm_sandbox_refund_pending")
    lives.refund(order, 1_000)
    return lives.move_refunds(order)


def refund_requested() -> Order:
    order = lives.delivered()
    lives.refund(order, 1_000)
    return order


def withdrawn_return() -> Order:
    coming = lives.announced()
    withdraw_return(coming.pk, actor=SHOPPER)
    return coming.order


STATES: list[tuple[Callable[[], Order], str, list[str], set[str]]] = [
    (
        lives.placed,
        "We have your order and are asking the bank",
        ["You may close the page", "Asking the bank about Visa"],
        {"cancel-order"},
    ),
    (
        lives.checked,
        "Your bank wants to see you",
        ["Nothing has been charged so far", "Your things are kept for you for 14 more minutes"],
        {"continue-to-bank", "leave-bank", "cancel-order"},
    ),
    (
        unanswered,
        "you will not be charged twice",
        ["We ask it again until it answers", "Waiting for the bank"],
        {"cancel-order"},
    ),
    (
        lives.declined,
        "The card was declined. Nothing was charged",
        ["There is not enough money on this card.", "Try another card", "for 14 more minutes"],
        {"retry-card", "cancel-order"},
    ),
    (
        gone_to_no_bank,
        "The payment was called off. Nothing was charged",
        ["The bank's check was not finished", "for 8 more minutes"],
        {"retry-card", "cancel-order"},
    ),
    (
        hold_over,
        "not paid in time. Nothing was charged",
        ["Your things go back on sale", "please order again"],
        {"cancel-order"},
    ),
    (
        lives.expired,
        "not paid in time. Nothing was charged",
        ["went back on sale", "please order again"],
        set(),
    ),
    (
        lives.paid,
        "Paid. We are packing your things",
        ["Paid with Visa ·· 4242", "Until then you can cancel it"],
        {"cancel-order"},
    ),
    (
        lives.packed,
        "Paid and packed. Your confirmation is on its way",
        ["A confirmation will go to alice@example.com"],
        {"cancel-order"},
    ),
    (
        lives.confirmed,
        "Thank you. You have mail",
        ["A confirmation went to alice@example.com", "when it leaves us"],
        {"cancel-order"},
    ),
    (
        mail_refused,
        "Paid and packed. But our mail did not reach you",
        ["alice@example.com refused our mail", "Keep the address of this page"],
        {"cancel-order"},
    ),
    (
        lives.partly_shipped,
        "A part of your order is on its way",
        ["2 things follow", "1 sent, 1 to follow", "1 × Thing MUG", "JJD01", "Carried by DHL"],
        {"send-back"},
    ),
    (
        lives.shipped,
        "Your order is on its way",
        ["All in one parcel", "2 × Thing MUG", "1 × Thing BOWL", "Follow it: JJD01"],
        {"send-back"},
    ),
    (
        lives.delivered,
        "Your order has arrived",
        ["you can send it back", "Arrived"],
        {"send-back"},
    ),
    (
        lambda: lives.cancelled(lives.placed()),
        "This order is cancelled",
        ["Nothing was charged", "You cancelled the order"],
        set(),
    ),
    (
        lambda: lives.cancelled(lives.paid(), actor=lives.STAFF),
        "This order is cancelled",
        ["€ 75.00 is going back to Visa ·· 4242", "We cancelled the order"],
        set(),
    ),
    (
        cancelled_while_asked,
        "This order is cancelled",
        ["has not told us yet whether it took money", "goes back by itself"],
        set(),
    ),
    (
        cancelled_and_refunded,
        "This order is cancelled",
        ["€ 75.00 went back to Visa ·· 4242", "up to ten days", "Sent back"],
        set(),
    ),
    (
        cancelled_and_refused,
        "This order is cancelled",
        ["€ 75.00 could not be sent back", "write to alice@example.com", "Refused by the bank"],
        set(),
    ),
    (
        refund_requested,
        "Your order has arrived",
        ["Money back", "€ 10.00", "We are asking the bank to send it to Visa ·· 4242"],
        {"send-back"},
    ),
    (
        refund_pending,
        "Your order has arrived",
        ["On its way", "The bank is moving it to Sandbox"],
        {"send-back"},
    ),
    (
        lambda: lives.announced().order,
        "Your order has arrived",
        ["Announced", "1 × Thing MUG", "Put a note with", "Call this return off"],
        {"send-back"},
    ),
    (
        lambda: lives.received(lives.announced()),
        "Your order has arrived",
        ["Your parcel is here", "1 came back", "money back for 1", "€ 28.00", "Requested"],
        {"send-back"},
    ),
    (
        withdrawn_return,
        "Your order has arrived",
        ["Called off", "You keep the things"],
        {"send-back"},
    ),
]


@pytest.mark.parametrize(("state", "headline", "says", "offers"), STATES)
def test_each_state_is_told_in_plain_words_with_what_can_be_done(
    state: Callable[[], Order], headline: str, says: list[str], offers: set[str]
) -> None:
    page = look(state())
    assert page.status == 200
    assert headline in page.root.get_element_by_id("order-headline").text_content()
    for words in says:
        assert words in page.words
    assert offered(page) == offers
    assert "chipped" not in page.words
    assert "vera" not in page.words


def late(order: Order, bank: SandboxServer) -> Order:
    """The money moves at the bank, and the worker hears of it after the order has ended."""
    lives.visit_bank(order, bank)
    return lives.ask_bank(order)


def test_late_money_for_things_that_are_still_there_keeps_the_order(bank: SandboxServer) -> None:
    order = lives.checked()
    Order.objects.update(status="expired")
    _release(order)
    page = look(late(order, bank))
    assert "Paid. We are packing your things" in page.words
    assert "Your payment came late, but your things were still there" in page.words


def test_late_money_for_things_that_are_gone_goes_back_and_is_told(bank: SandboxServer) -> None:
    order = lives.checked()
    Order.objects.update(status="expired")
    _release(order)
    _sell_out()
    page = look(late(order, bank))
    assert "Your money came too late. All of it goes back." in page.words
    assert "your things were sold to others. € 75.00 is going back" in page.words
    assert "came too late and goes back" in page.words
    assert offered(page) == set()


def test_money_that_comes_for_a_cancelled_order_goes_back(bank: SandboxServer) -> None:
    order = lives.checked()
    lives.visit_bank(order, bank)
    lives.cancelled(order)
    page = look(lives.move_refunds(lives.ask_bank(order)))
    assert "This order is cancelled." in page.words
    assert "€ 75.00 went back to Visa" in page.words


def test_a_charge_that_came_twice_is_admitted() -> None:
    order = lives.confirmed()
    first = order.payments.get()
    Payment.objects.create(
        order=order,
        form_key="6f1b4c2e-0f0d-4c55-9c6c-0d6b1b0a7d11",
        amount_cents=first.amount_cents,
        currency="EUR",
        payment_method="pm_card_visa",
        card_brand="visa",
        card_last4="4242",
        status=PaymentStatus.CAPTURED,
    )
    assert "€ 75.00 too much. We have seen it and send it back." in look(order).words


def test_the_steps_go_from_received_to_arrived() -> None:
    assert list(steps(look(lives.delivered())).values()) == ["done"] * 6
    assert steps(look(lives.partly_shipped())) == {
        "received": "done",
        "paid": "done",
        "packed": "done",
        "mail": "done",
        "shipped": "current",
        "delivered": "waiting",
    }
    assert list(steps(look(lives.cancelled(lives.placed())))) == ["received", "paid", "cancelled"]


def test_the_tracking_link_tells_the_carrier_nothing_about_this_page() -> None:
    link = look(lives.shipped()).root.xpath("//section[@id='parcels']//a")[0]
    assert link.get("href").startswith("https://www.dhl.de/")
    assert "noreferrer" in link.get("rel")


def test_an_erased_order_still_says_how_it_stands_and_names_nobody() -> None:
    order = cancelled_and_refunded()
    order.notifications.update(status=Notification.Status.SENT)
    ask_for_erasure([order.pk], actor=SHOPPER)
    order.refresh_from_db()
    page = look(order)
    assert "alice" not in page.words.lower()
    assert "€ 75.00 went back" in page.words
    assert "Your personal data was erased." in page.words


@pytest.mark.parametrize(
    ("state", "there"),
    [(lives.paid, False), (lives.packed, True), (lambda: lives.cancelled(lives.packed()), False)],
)
def test_the_invoice_is_offered_once_it_can_be_drawn(
    state: Callable[[], Order], there: bool
) -> None:
    order = state()
    assert bool(look(order).root.xpath("//a[@id='invoice']")) is there


def test_an_invoice_that_was_drawn_can_be_had_after_the_order_was_cancelled() -> None:
    order = lives.packed()
    issue_invoice(order.pk)
    lives.cancelled(order)
    assert look(order).root.xpath("//a[@id='invoice']")


def test_telling_the_story_asks_the_database_nothing_more() -> None:
    order = lives.received(lives.announced())
    lives.move_refunds(order)
    found = selectors.order_by_token(order.token)
    assert found is not None
    with CaptureQueriesContext(connection) as queries:
        story = tell(found, timezone.now())
    assert len(queries) == 0
    assert (story.refunded_cents, len(story.parcels), len(story.returns)) == (2_800, 1, 1)


def test_the_page_looks_again_more_and_more_rarely_and_at_last_not_any_more() -> None:
    order = unanswered()
    found = selectors.order_by_token(order.token)
    assert found is not None
    ages = [timedelta(0), timedelta(minutes=5), timedelta(hours=2), timedelta(days=2)]
    assert [tell(found, found.changed_at + age).look_again_seconds for age in ages] == [
        1,
        5,
        30,
        None,
    ]


def test_a_refund_under_way_is_looked_after_and_a_parcel_is_not() -> None:
    assert 'hx-trigger="every 1s"' in look(refund_requested()).text
    Refund.objects.all().delete()
    page = look(lives.shipped())
    assert page.root.get_element_by_id("progress").get("hx-trigger") is None
    assert page.root.get_element_by_id("progress").get("data-pending") == "false"


def _release(order: Order) -> None:
    """What the sweep does when it expires an order; it does not expire one that is being paid, so
    only the provider's slowness or a restored backup leads here."""
    stock.release_holds(order.pk)


def _sell_out() -> None:
    StockItem.objects.update(held=5)
