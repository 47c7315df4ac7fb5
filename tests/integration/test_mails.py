"""Mails owed, refused, bounced and sent again; each tells what the rows of its cause say."""

from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from orders.errors import NotMailable
from orders.models import (
    Invoice,
    Notification,
    Order,
    Payment,
    Refund,
    RefundLine,
    Return,
    ReturnLine,
    Shipment,
    ShipmentLine,
)
from orders.services.mail_facts import mail_facts
from orders.services.notification import announce, record_bounce, resend, send_notification
from tasks.errors import Permanent
from tasks.guard import single_flight
from tasks.models import OutboxMessage
from tests.integration.mail_server import mail_server
from tests.integration.shopping import placed

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Notification.Kind
Status = Notification.Status


@pytest.fixture(autouse=True)
def mail_folder(settings: Settings, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = "orders.gateways.mail_folder.FolderBackend"
    settings.MAIL_DIR = str(tmp_path / "mail")
    return tmp_path / "mail"


def packed(language: str = "en") -> Order:
    """As the workers leave a paid order."""
    order = placed()
    Payment.objects.filter(order=order).update(
        status="captured", settled_at=timezone.now(), asked_at=timezone.now()
    )
    Order.objects.filter(pk=order.pk).update(
        status="paid", fulfilment="packed", packed_at=timezone.now(), language=language
    )
    order.refresh_from_db()
    return order


def owed(order: Order, kind: Notification.Kind, cause: str = "") -> Notification:
    with transaction.atomic():
        announce(order, kind, cause=cause)
    return order.notifications.get(kind=kind, cause=cause)


def send(mail: Notification) -> Notification:
    with single_flight(f"notification:{mail.pk}", wait=5) as lease:
        send_notification(mail.pk, lease)
    mail.refresh_from_db()
    return mail


def told(order: Order) -> list[str]:
    return list(order.timeline.values_list("kind", flat=True))


def causes(order: Order) -> dict[str, str]:
    """Something of every noun that a mail can be about, by its noun."""
    line, payment = order.lines.get(), order.payments.get()
    parcel = Shipment.objects.create(
        order=order, form_key=uuid4(), carrier="dhl", tracking_code="JD0001", actor="test"
    )
    ShipmentLine.objects.create(shipment=parcel, line=line, quantity=1)
    coming = Return.objects.create(order=order, form_key=uuid4())
    refund = Refund.objects.create(
        order=order,
        payment=payment,
        cause=f"return:{coming.pk}:{payment.pk}",
        amount_cents=1_000,
        currency="EUR",
        reason="test",
        actor="test",
    )
    RefundLine.objects.create(refund=refund, line=line, quantity=1)
    ReturnLine.objects.create(parent=coming, line=line, quantity=1, received=1)
    rows = {"payment": payment, "shipment": parcel, "return": coming, "refund": refund}
    return {noun: f"{noun}:{row.pk}" for noun, row in rows.items()}


@pytest.mark.parametrize("language", ["en", "de"])
def test_each_kind_is_written_and_sent_with_the_facts_of_its_cause(
    language: str, mail_folder: Path
) -> None:
    order = packed(language)
    about = causes(order)
    nouns = {
        Kind.PAYMENT_DECLINED: "payment",
        Kind.ACTION_REQUIRED: "payment",
        Kind.LATE_MONEY_KEPT: "payment",
        Kind.LATE_MONEY_REFUNDED: "payment",
        Kind.ORDER_SHIPPED: "shipment",
        Kind.ORDER_DELIVERED: "shipment",
        Kind.REFUND_SENT: "refund",
        Kind.RETURN_ANNOUNCED: "return",
        Kind.RETURN_RECEIVED: "return",
    }

    sent = {kind: send(owed(order, kind, about.get(nouns.get(kind, ""), ""))) for kind in Kind}

    assert {mail.status for mail in sent.values()} == {Status.SENT}
    assert len(list(mail_folder.glob("*.eml"))) == len(Kind)
    assert "piececode=JD0001" in sent[Kind.ORDER_SHIPPED].html
    for kind in (Kind.REFUND_SENT, Kind.RETURN_RECEIVED):
        assert ("10,00" if language == "de" else "10.00") in sent[kind].text
    assert "Thing MUG" in sent[Kind.RETURN_ANNOUNCED].text
    assert {order.number in mail.text for mail in sent.values()} == {True}


def test_the_confirmation_draws_the_invoice_and_links_to_it() -> None:
    order = packed()

    mail = send(owed(order, Kind.ORDER_CONFIRMED))

    assert Invoice.objects.get().order == order
    assert f"/orders/{order.token}/invoice/" in mail.text


def test_a_late_confirmation_of_a_cancelled_order_draws_no_invoice() -> None:
    order = packed()
    Order.objects.update(status="cancelled")

    mail = send(owed(order, Kind.ORDER_CONFIRMED))

    assert not Invoice.objects.exists()
    assert "cancelled since" in mail.text


def test_a_refusal_is_written_down_for_the_staff_and_ends_the_work(settings: Settings) -> None:
    order = packed()
    mail = owed(order, Kind.ORDER_CONFIRMED)

    with mail_server(settings, RCPT="550 nobody here"):
        send(mail)

    assert mail.status == Status.REFUSED
    assert mail.problem == "The mail server refused the recipient. It answered 550."
    assert mail.text
    assert mail.sent_at is None
    assert told(order)[-1] == "mail_refused"
    assert "alice@example.com" not in order.timeline.all()[1].text
    # A message that comes twice finds it settled.
    send(mail)
    assert told(order).count("mail_refused") == 1


def test_a_server_that_refuses_us_leaves_the_mail_owed(settings: Settings) -> None:
    mail = owed(packed(), Kind.ORDER_CONFIRMED)

    with mail_server(settings, MAIL="550 never from you"), pytest.raises(Permanent):
        send(mail)

    mail.refresh_from_db()
    assert mail.status == Status.PENDING


def test_a_header_in_the_address_is_refused_and_nothing_goes_out(mail_folder: Path) -> None:
    order = packed()
    Order.objects.update(email="alice@example.com\nBcc: eve@example.com")
    order.refresh_from_db()

    mail = send(owed(order, Kind.ORDER_CONFIRMED))

    assert mail.status == Status.REFUSED
    assert "cannot be written" in mail.problem
    assert not list(mail_folder.glob("*.eml")) if mail_folder.exists() else True


def test_sent_again_is_a_new_mail_under_a_recorded_cause_once_per_form(mail_folder: Path) -> None:
    order = packed()
    about = causes(order)
    first = send(owed(order, Kind.ORDER_SHIPPED, about["shipment"]))
    Order.objects.update(email="alice@new.example")
    form_key = uuid4()

    again = resend(first.pk, form_key=form_key, actor="staff bob")
    twin = resend(first.pk, form_key=form_key, actor="staff bob")
    send(again)

    assert again == twin
    assert again.pk != first.pk
    assert again.cause == f"resend:{first.pk}:{form_key.hex}"
    assert (again.recipient, again.status) == ("alice@new.example", Status.SENT)
    assert again.text == first.text
    assert len(list(mail_folder.glob("*.eml"))) == 2
    events = order.timeline.filter(kind="mail_repeated")
    assert [event.actor for event in events] == ["staff bob"]


def test_a_repetition_of_a_repetition_tells_what_the_first_one_told() -> None:
    order = packed()
    first = owed(order, Kind.REFUND_SENT, causes(order)["refund"])
    second = resend(first.pk, form_key=uuid4(), actor="staff bob")
    third = resend(second.pk, form_key=uuid4(), actor="staff bob")

    assert mail_facts(third) == mail_facts(first)
    assert mail_facts(third).refund is not None


def test_the_longest_cause_of_a_repetition_fits_its_column() -> None:
    cause = f"resend:{2**63 - 1}:{uuid4().hex}"

    assert len(cause) <= (Notification._meta.get_field("cause").max_length or 0)


def test_nobody_is_told_about_an_order_whose_data_was_erased(mail_folder: Path) -> None:
    order = packed()
    mail = owed(order, Kind.ORDER_CONFIRMED)
    Order.objects.update(erased_at=timezone.now())
    order.refresh_from_db()
    before = OutboxMessage.objects.count()

    announce(order, Kind.ORDER_DELIVERED)
    with pytest.raises(NotMailable):
        resend(mail.pk, form_key=uuid4(), actor="staff bob")
    send(mail)

    assert order.notifications.count() == 1
    assert OutboxMessage.objects.count() == before
    assert mail.status == Status.REFUSED
    assert not mail_folder.exists() or not list(mail_folder.glob("*.eml"))


def test_a_bounce_is_seen_by_the_staff_once() -> None:
    order = packed()
    mail = send(owed(order, Kind.ORDER_CONFIRMED))
    message_id = f"<{mail.message_key}@shop.example>"

    call_command("record_bounce", message_id=message_id, reason="550\nmailbox is full")
    record_bounce(message_id, "again")

    mail.refresh_from_db()
    assert (mail.status, mail.problem) == (Status.REFUSED, "550 mailbox is full")
    assert mail.sent_at is not None
    assert told(order).count("mail_refused") == 1


@pytest.mark.parametrize("message_id", ["<hello@example.com>", f"<{uuid4()}@example.com>", ""])
def test_a_bounce_of_a_strangers_mail_is_told_apart(message_id: str) -> None:
    with pytest.raises(CommandError, match=r"Message-ID|no mail"):
        call_command("record_bounce", message_id=message_id, reason="550")


def test_a_bounce_does_not_touch_a_mail_that_was_never_taken() -> None:
    mail = owed(packed(), Kind.ORDER_CONFIRMED)

    record_bounce(str(mail.message_key), "550")

    mail.refresh_from_db()
    assert mail.status == Status.PENDING


def test_a_cancelled_order_tells_the_money_that_is_on_its_way_back() -> None:
    order = packed()
    Payment.objects.update(refund_reserved_cents=F("amount_cents"))
    Order.objects.update(status="cancelled")

    text = " ".join(send(owed(order, Kind.ORDER_CANCELLED)).text.split())

    assert "10.00 back to Visa ·· 4242" in text
