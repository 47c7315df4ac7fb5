"""What staff do with an order: each deed once, by those who may, and told honestly when refused."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import connections
from django.test import Client
from django.urls import reverse

from orders.models import (
    Invoice,
    Notification,
    Order,
    Refund,
    Return,
    Shipment,
    StockItem,
    TimelineEvent,
)
from orders.services.lines import LineQuantity
from orders.services.returns import announce_return
from orders.services.shipping import ship_lines
from orders.services.timeline import SHOPPER
from tasks.models import OutboxMessage
from tests.integration.desk import (
    deed,
    document,
    filled,
    move_refunds,
    order_page,
    packed,
    pay_twice,
    plain_files,
    press,
    shipped,
    staff,
    text,
)
from tests.integration.shopping import placed, units

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _plain_files(settings: LazySettings, tmp_path: Path) -> None:
    plain_files(settings, tmp_path)


def units_of(order: Order, sku: str, number: int) -> dict[str, str]:
    return {f"units__{order.lines.get(sku=sku).pk}": str(number)}


def buttons(page: Any) -> set[str]:
    return {
        str(link.text_content()).strip(" …")
        for link in document(page).xpath("//a[contains(@class, 'desk-button')]")
    }


def test_a_clerk_ships_some_units_and_then_the_rest() -> None:
    order, clerk = packed(2, 1), staff("clerk")

    told = press(
        clerk,
        deed("ship", order),
        carrier="dhl",
        tracking_code="JJD000123",
        **units_of(order, "A-MUG", 1),
        **units_of(order, "B-MUG", 0),
    )

    assert "partly shipped" in text(told)
    assert "is on its way" in text(told)
    (link,) = document(told).xpath("//a[contains(., 'JJD000123')]/@href")
    assert link.startswith("https://www.dhl.de/")
    assert TimelineEvent.objects.get(kind="shipped").actor == "staff clerk"

    press(clerk, deed("ship", order))

    order.refresh_from_db()
    assert order.fulfilment == "shipped"
    assert [parcel.lines.count() for parcel in Shipment.objects.all()] == [1, 2]
    assert "Ship" not in buttons(clerk.get(order_page(order)))


def test_a_form_that_is_sent_twice_ships_one_parcel_and_tells_the_same() -> None:
    order, clerk = packed(1), staff("clerk")
    given = filled(clerk.get(deed("ship", order)))

    first = clerk.post(deed("ship", order), given, follow=True)
    again = clerk.post(deed("ship", order), given, follow=True)

    said = f"Parcel {Shipment.objects.get().pk} is on its way."
    assert said in text(first)
    assert said in text(again)
    assert Shipment.objects.count() == 1


def test_a_parcel_is_marked_delivered() -> None:
    order, clerk = shipped(1), staff("clerk")
    parcel = order.shipments.get()

    told = press(clerk, deed("deliver", order, parcel.pk))

    assert "has arrived" in text(told)
    order.refresh_from_db()
    assert order.fulfilment == "delivered"


@pytest.mark.parametrize(("restock", "on_hand"), [("on", 6), ("", 5)])
def test_a_cancelled_order_gives_its_units_back_or_writes_them_off(
    restock: str, on_hand: int
) -> None:
    order, manager = packed(1), staff("manager")

    told = press(manager, deed("cancel", order), reason="The shopper called.", restock=restock)

    assert "The order is cancelled" in text(told)
    assert "Cancelled: The shopper called." in text(told)
    assert units("A-MUG") == (on_hand, 0)
    assert Refund.objects.get().amount_cents == 1_000


def test_no_cancellation_without_a_reason() -> None:
    order, manager = packed(1), staff("manager")

    for reason in ("", "  ", "ab"):
        page = press(manager, deed("cancel", order), reason=reason)
        assert page.status_code == 422

    order.refresh_from_db()
    assert order.status == "paid"


def test_an_order_whose_parcel_left_while_the_form_was_read_is_not_cancelled() -> None:
    order, manager = packed(1), staff("manager")
    given = filled(manager.get(deed("cancel", order)), reason="The shopper called.")
    press(staff("clerk"), deed("ship", order))

    page = manager.post(deed("cancel", order), given)

    assert page.status_code == 409
    assert "A parcel of this order is on its way already" in text(page)
    assert "The shopper called." in text(page)
    assert not Refund.objects.exists()


def test_a_deed_that_is_not_possible_any_more_leads_back_with_a_word() -> None:
    order, clerk = shipped(1), staff("clerk")

    page = clerk.get(deed("ship", order), follow=True)

    assert "cannot be done with the order any more" in text(page)


@pytest.mark.parametrize(
    ("given", "cents", "withdrawn"),
    [
        ({"what": "all"}, 3_000, 3),
        ({"what": "lines", "units": 1}, 1_000, 1),
        ({"what": "lines", "units": 2, "amount": "12.50"}, 1_250, 2),
        ({"what": "amount", "amount": "0.01"}, 1, 0),
    ],
)
def test_money_goes_back_in_full_by_line_or_as_an_amount(
    given: dict[str, Any], cents: int, withdrawn: int
) -> None:
    order, manager = packed(2, 1), staff("manager")
    chosen = given.pop("units", 0)

    told = press(
        manager,
        deed("refund", order),
        reason="A scratch.",
        **given,
        **units_of(order, "A-MUG", chosen),
    )

    assert "is on its way back" in text(told)
    assert Refund.objects.get().amount_cents == cents
    assert sum(line.withdrawn for line in order.lines.all()) == withdrawn
    assert Refund.objects.get().actor == "staff manager"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"what": "all", "amount": "5"}, "You wrote an amount"),
        ({"what": "amount", "amount": ""}, "Write the amount"),
        ({"what": "amount", "amount": "-1"}, "above 0"),
        ({"what": "amount", "amount": "1.005"}, "two decimals"),
        ({"what": "amount", "amount": "a lot"}, "like 12.50"),
        ({"what": "lines"}, "Choose at least one unit"),
        ({"what": "lines", "units": 1, "amount": "11"}, "cost €"),
        ({"what": "all", "units": 1}, "You chose units"),
        ({"what": "lines", "units": 3}, "The line has 2 units"),
        ({"what": "lines", "units": -1}, "0 or more"),
        ({"what": "all", "reason": ""}, "Say why"),
        ({"what": "all", "form_key": "none"}, "out of date"),
    ],
)
def test_a_refund_that_contradicts_itself_moves_nothing(
    given: dict[str, Any], complaint: str
) -> None:
    order, manager = packed(2), staff("manager")
    chosen = units_of(order, "A-MUG", given.pop("units", 0))

    page = press(manager, deed("refund", order), **{"reason": "A scratch.", **chosen, **given})

    assert page.status_code == 422
    assert complaint in text(page)
    assert not Refund.objects.exists()


def test_more_than_is_left_is_refused_with_what_is_left() -> None:
    order, manager = packed(1), staff("manager")

    page = press(manager, deed("refund", order), what="amount", amount="10.01", reason="A scratch.")

    assert page.status_code == 409
    assert "At most € 10.00 can be given back" in text(page)
    assert not Refund.objects.exists()


def test_a_refund_form_that_is_sent_twice_moves_the_money_once() -> None:
    order, manager = packed(1), staff("manager")
    given = filled(manager.get(deed("refund", order)), reason="A scratch.")

    answers = [manager.post(deed("refund", order), given) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert Refund.objects.count() == 1


def test_what_was_paid_twice_is_shown_and_given_back() -> None:
    order, manager = packed(1), staff("manager")
    pay_twice(order)
    assert "Overpaid" in text(manager.get(order_page(order)))

    press(manager, deed("refund-overpaid", order))

    assert Refund.objects.get().amount_cents == 1_000
    assert "Refund what is too much" not in buttons(manager.get(order_page(order)))


def announced(order: Order) -> Return:
    return announce_return(order.pk, form_key=uuid4(), lines=(), reason="Too big", actor=SHOPPER)


def test_a_clerk_receives_a_return_and_its_price_goes_back() -> None:
    order, clerk = shipped(2), staff("clerk")
    coming, line = announced(order), order.lines.get()

    told = press(
        clerk,
        deed("receive-return", order, coming.pk),
        **{f"received__{line.pk}": "2", f"restocked__{line.pk}": "1"},
    )

    assert "is received" in text(told)
    assert "2 came, 1 back on the shelf" in text(told)
    assert Refund.objects.get().amount_cents == 2_000
    assert units("A-MUG") == (6, 0)


def test_a_clerk_cannot_choose_what_a_return_is_worth_and_a_manager_can() -> None:
    order = shipped(1)
    coming = announced(order)
    url = deed("receive-return", order, coming.pk)
    clerk = staff("clerk")
    assert "amount" not in filled(clerk.get(url))

    page = clerk.post(url, filled(clerk.get(url), what="amount", amount="9.99"))
    assert page.status_code == 422
    press(staff("manager"), url, what="amount", amount="9.99")

    assert Refund.objects.get().amount_cents == 999


def test_no_more_goes_on_the_shelf_than_came() -> None:
    order, clerk = shipped(2), staff("clerk")
    coming, line = announced(order), order.lines.get()

    page = press(
        clerk,
        deed("receive-return", order, coming.pk),
        **{f"received__{line.pk}": "1", f"restocked__{line.pk}": "2"},
    )

    assert page.status_code == 422
    assert "No more can go on the shelf than came" in text(page)
    coming.refresh_from_db()
    assert coming.status == "announced"


def test_a_return_is_announced_for_the_shopper_and_withdrawn() -> None:
    order, clerk = shipped(2), staff("clerk")

    told = press(
        clerk, deed("announce-return", order), reason="Too big", **units_of(order, "A-MUG", 1)
    )
    assert "is announced" in text(told)
    told = press(clerk, deed("withdraw-return", order, Return.objects.get().pk))

    assert "is withdrawn" in text(told)
    assert order.lines.get().returning == 0


def test_the_bank_is_asked_again_about_an_open_payment() -> None:
    order, clerk = placed(), staff("clerk")
    OutboxMessage.objects.all().delete()

    told = press(clerk, deed("ask-bank", order))

    assert "The bank is being asked" in text(told)
    assert OutboxMessage.objects.get().task == "orders.capture_payment"


def test_a_mail_is_sent_again_once_and_written_on_the_timeline() -> None:
    order, clerk = packed(1), staff("clerk")
    order.notifications.update(status=Notification.Status.REFUSED, problem="550 no such user")
    url = deed("resend", order, order.notifications.get().pk)
    given = filled(clerk.get(url))

    for _ in range(2):
        told = clerk.post(url, given, follow=True)
        assert "is on its way to alice@example.com again" in text(told)

    assert order.notifications.count() == 2
    assert TimelineEvent.objects.get(kind="mail_repeated").actor == "staff clerk"


def test_papers_are_printed_and_an_unpaid_order_has_none() -> None:
    order, unpaid, clerk = shipped(1), placed(), staff("clerk")
    invoice = reverse("admin:orders_order_invoice", args=[order.pk])
    slip = reverse("admin:orders_order_parcel_slip", args=[order.pk, order.shipments.get().pk])

    assert "A-MUG" in text(clerk.get(invoice))
    assert "A-MUG" in text(clerk.get(slip))
    pdf = clerk.get(slip, {"pdf": "1"})
    assert (pdf["Content-Type"], pdf.content[:4]) == ("application/pdf", b"%PDF")
    told = clerk.get(reverse("admin:orders_order_invoice", args=[unpaid.pk]), follow=True)
    assert "once the order is paid" in text(told)


def test_an_auditor_has_no_invoice_drawn_by_looking() -> None:
    order, auditor = packed(1), staff("auditor")
    Invoice.objects.filter(order=order).delete()

    told = auditor.get(reverse("admin:orders_order_invoice", args=[order.pk]), follow=True)

    assert "No invoice was drawn" in text(told)
    assert not Invoice.objects.exists()


def test_a_parcel_of_another_order_is_not_found() -> None:
    mine, other, clerk = shipped(1), shipped(1), staff("clerk")

    page = clerk.get(deed("deliver", mine, other.shipments.get().pk))

    assert page.status_code == 404


@pytest.mark.django_db(transaction=True)
def test_an_order_that_somebody_works_on_answers_busy_and_nothing_is_done() -> None:
    order, clerk = packed(1), staff("clerk")
    given = filled(clerk.get(deed("ship", order)))
    connection = connections.create_connection("default")
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        connection.set_autocommit(False)
        with connection.cursor() as holder:
            holder.execute("SELECT 1 FROM orders_order WHERE id = %s FOR UPDATE", [order.pk])
            page = clerk.post(deed("ship", order), given)
    finally:
        connection.rollback()
        connection.close()
        with connections["default"].cursor() as cursor:
            cursor.execute("SET lock_timeout = '3s'")

    assert page.status_code == 503
    assert "busy, try again" in text(page)
    assert not Shipment.objects.exists()
    assert clerk.post(deed("ship", order), given).status_code == 303


def test_a_deed_needs_the_forms_own_token() -> None:
    order = packed(1)
    clerk = staff("clerk")
    given = filled(clerk.get(deed("ship", order)))
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = clerk.cookies
    given.pop("csrfmiddlewaretoken", None)

    assert strict.post(deed("ship", order), given).status_code == 403
    assert not Shipment.objects.exists()


def test_the_page_shows_the_whole_order() -> None:
    order, auditor = shipped(2, 1), staff("auditor")
    coming = announced(order)
    press(staff("clerk"), deed("receive-return", order, coming.pk))
    move_refunds(order)

    page = auditor.get(order_page(order))

    said = text(page)
    for words in (
        *(order.number, "A-MUG", "Visa ·· 4242", "JJD01", "Too big", "parcel shipped"),
        *("Parcel", "Paid with Visa", "money sent", "alice@example.com", "1 Quay Street", "28195"),
    ):
        assert words in said
    assert buttons(page) == set()


def test_the_page_costs_the_same_number_of_queries_however_much_belongs_to_the_order(
    django_assert_max_num_queries: Any,
) -> None:
    order, clerk = packed(*[2] * 6), staff("clerk")
    for sku in ("A-MUG", "B-MUG", "C-MUG"):
        chosen = (LineQuantity(order.lines.get(sku=sku).pk, 1),)
        ship_lines(order.pk, form_key=uuid4(), actor="test", lines=chosen)
        announce_return(order.pk, form_key=uuid4(), lines=chosen, reason="", actor=SHOPPER)
    clerk.get(order_page(order))

    with django_assert_max_num_queries(30):
        clerk.get(order_page(order))
    assert StockItem.objects.count() == 6
