"""The audit finds every planted fault and invents none."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import StringIO
from threading import Event

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection, connections

from orders.gateways.chosen import get_gateway
from orders.gateways.payment import CaptureRequest
from orders.models import Notification, Order, Payment, StockHold, StockItem
from orders.services.audit import AuditReport, audit
from orders.services.fulfilment import deduct_inventory
from orders.services.notification import send_notification
from orders.services.payment import capture_payment
from tasks.guard import single_flight
from tests.integration.sandbox_server import running_sandbox
from tests.integration.shopping import lease_on, placed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def own_bank(tmp_path_factory: pytest.TempPathFactory, settings: LazySettings) -> Iterator[None]:
    """A bank that only this test banks with, so that its whole ledger is this test's."""
    with running_sandbox(tmp_path_factory.mktemp("bank")) as bank:
        settings.STRIPE_API_BASE = bank.base_url
        settings.STRIPE_API_KEY = bank.api_key
        settings.MAIL_DIR = str(tmp_path_factory.mktemp("mail"))
        settings.EMAIL_BACKEND = "orders.gateways.mail_folder.FolderBackend"
        yield


def finished() -> Order:
    order = placed()
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)
        deduct_inventory(order.pk, lease)
    mail = order.notifications.get()
    with single_flight(f"notification:{mail.pk}", wait=5) as lease:
        send_notification(mail.pk, lease)
    return order


def breaches(report: AuditReport) -> dict[str, tuple[str, ...]]:
    return {rule.title: rule.breaches for rule in report.rules if rule.breaches}


def test_a_finished_order_breaks_no_rule() -> None:
    finished()

    report = audit(settled=True)

    assert breaches(report) == {}
    assert report.counts["captures_at_gateway"] == report.counts["confirmed"] == 1


def test_an_order_in_flight_is_no_fault_unless_all_should_be_settled() -> None:
    placed()

    assert audit().ok
    assert audit(settled=True).broken("lost") == 1


def charge_again() -> None:
    payment = Payment.objects.get()
    get_gateway().capture(
        CaptureRequest(
            idempotency_key="another key",
            amount_cents=payment.amount_cents,
            currency="EUR",
            payment_method="pm_card_visa",
            order_number=payment.order.number,
            payment_id=payment.pk,
            description="",
            return_url="http://127.0.0.1/",
        )
    )


def charge_for_no_order() -> None:
    get_gateway().capture(
        CaptureRequest("k", 100, "EUR", "pm_card_visa", "NO-ORDER", 999, "", "http://127.0.0.1/")
    )


def lose_the_capture() -> None:
    Payment.objects.update(gateway_reference="pi_never_seen_there")


def charge_another_amount() -> None:
    Payment.objects.update(amount_cents=1)


def forget_the_payment() -> None:
    Payment.objects.update(status="declined")


def sell_from_an_empty_shelf() -> None:
    StockItem.objects.update(on_hand=77)


def hold_for_nobody() -> None:
    StockItem.objects.update(held=1)


def lose_a_movement() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_stockmovement DISABLE TRIGGER append_only")
        cursor.execute("DELETE FROM orders_stockmovement WHERE kind = 'deducted'")
        cursor.execute("UPDATE orders_stockitem SET on_hand = on_hand + 1")
        cursor.execute("ALTER TABLE orders_stockmovement ENABLE TRIGGER append_only")


def lose_the_receipt() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_stockmovement DISABLE TRIGGER append_only")
        cursor.execute("DELETE FROM orders_stockmovement WHERE kind = 'received'")
        cursor.execute("ALTER TABLE orders_stockmovement ENABLE TRIGGER append_only")


def reopen_a_hold() -> None:
    StockHold.objects.update(status="held")


def never_mail() -> None:
    Notification.objects.all().delete()


def mail_stuck() -> None:
    Notification.objects.update(status="pending")


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (charge_again, "double_charged"),
        (charge_for_no_order, "lost"),
        (lose_the_capture, "lost"),
        (charge_another_amount, "double_charged"),
        (forget_the_payment, "lost"),
        (sell_from_an_empty_shelf, "oversold"),
        (hold_for_nobody, "oversold"),
        (lose_a_movement, "oversold"),
        (lose_the_receipt, "oversold"),
        (reopen_a_hold, "oversold"),
        (never_mail, "lost"),
        (mail_stuck, "lost"),
    ],
)
def test_a_planted_fault_is_found(plant: Callable[[], None], kind: str) -> None:
    finished()
    plant()

    assert audit(settled=True).broken(kind) >= 1


def test_the_command_exits_with_1_when_a_rule_is_broken() -> None:
    finished()
    hold_for_nobody()

    with pytest.raises(SystemExit) as end:
        call_command("audit", stdout=StringIO())

    assert end.value.code == 1


def test_an_audit_under_load_invents_no_fault() -> None:
    """Orders are placed, paid and packed all the while: each audit sees one moment of it."""
    stop = Event()

    def trade() -> int:
        made = 0
        with closing(connections["default"]):
            while not stop.is_set():
                finished()
                made += 1
        return made

    with ThreadPoolExecutor(2) as traders:
        trading = [traders.submit(trade) for _ in range(2)]
        try:
            found = [breaches(audit()) for _ in range(15)]
        finally:
            stop.set()

    assert found == [{}] * 15
    assert sum(done.result() for done in trading) > 5
