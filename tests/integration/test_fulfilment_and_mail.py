"""From paid to packed to mailed: each once, whatever is delivered twice."""

from email import message_from_bytes, policy
from pathlib import Path

import pytest
from django.conf import LazySettings

from orders.models import Notification, Order, StockHold, StockMovement
from orders.services.fulfilment import deduct_inventory
from orders.services.notification import send_notification
from orders.services.payment import capture_payment
from orders.states import HoldStatus
from tasks.errors import LeaseLost, Permanent
from tasks.guard import single_flight
from tests.integration.shopping import lease_on, placed, units

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mail_folder(settings: LazySettings, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = "orders.gateways.mail_folder.FolderBackend"
    settings.MAIL_DIR = str(tmp_path / "mail")
    return tmp_path / "mail"


def paid() -> Order:
    order = placed()
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)
    return order


def pack(order: Order) -> None:
    with lease_on(order) as lease:
        deduct_inventory(order.pk, lease)
    order.refresh_from_db()


def send(mail: Notification) -> None:
    with single_flight(f"notification:{mail.pk}", wait=5) as lease:
        send_notification(mail.pk, lease)
    mail.refresh_from_db()


def test_a_hold_becomes_a_deduction_with_one_row_in_the_ledger() -> None:
    order = paid()

    pack(order)
    pack(order)

    assert units("MUG") == (4, 0)
    assert StockHold.objects.get().status == HoldStatus.DEDUCTED
    movement = StockMovement.objects.get(kind=StockMovement.Kind.DEDUCTED)
    assert (movement.quantity, movement.line.order) == (-1, order)  # type: ignore[union-attr]
    assert order.notifications.count() == 1


def test_an_unpaid_order_is_not_packed() -> None:
    order = placed()

    pack(order)

    assert units("MUG") == (5, 1)


def test_a_missing_hold_stops_the_packing_for_a_person_to_look_at() -> None:
    order = paid()
    StockHold.objects.all().delete()

    with pytest.raises(Permanent, match=r"manage\.py audit"):
        pack(order)

    order.refresh_from_db()
    assert order.fulfilment == "unfulfilled"
    assert not order.notifications.exists()


def test_a_mail_delivered_twice_by_the_broker_is_sent_once(mail_folder: Path) -> None:
    order = paid()
    pack(order)
    mail = order.notifications.get()

    send(mail)
    first_sent_at = mail.sent_at
    send(mail)

    assert mail.sent_at == first_sent_at
    (written,) = mail_folder.glob("*.eml")
    message = message_from_bytes(written.read_bytes(), policy=policy.default)
    assert message["To"] == "alice@example.com"
    assert order.number in message["Subject"]
    assert str(mail.message_key) in message["Message-ID"]
    body = message.get_body(("plain",))
    assert body is not None
    assert f"/orders/{order.token}/" in body.get_content()
    assert "€\N{NO-BREAK SPACE}10.00" in body.get_content()


def test_a_crash_between_sending_and_writing_it_down_repeats_the_same_message_id(
    mail_folder: Path,
) -> None:
    order = paid()
    pack(order)
    mail = order.notifications.get()
    send(mail)

    Notification.objects.update(status=Notification.Status.PENDING)
    mail.refresh_from_db()
    send(mail)

    assert len(list(mail_folder.glob("*.eml"))) == 1


def test_a_mail_is_not_sent_under_a_lost_lease(mail_folder: Path) -> None:
    order = paid()
    pack(order)
    mail = order.notifications.get()

    with single_flight(f"notification:{mail.pk}", wait=5) as lease:
        lease.lost.set()
        with pytest.raises(LeaseLost):
            send_notification(mail.pk, lease)

    assert not mail_folder.exists() or not list(mail_folder.glob("*.eml"))


def test_a_name_with_markup_in_it_is_harmless_in_the_mail(mail_folder: Path) -> None:
    order = paid()
    Order.objects.filter(pk=order.pk).update(ship_to_name="<script>alert(1)</script> & Söhne")
    pack(order)
    mail = order.notifications.get()

    send(mail)

    assert "<script>" not in mail.html
    assert "<script>alert(1)</script> & Söhne" in mail.text
