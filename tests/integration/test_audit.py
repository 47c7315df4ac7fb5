"""The audit finds every planted fault and invents none."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Event

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connections
from django.db.models.functions import Now

from orders.models import Order, Payment, StockItem
from orders.services.audit import AuditReport, audit
from orders.services.audit_faults import FAULTS
from orders.services.audit_scope import Scope
from orders.services.notification import send_notification
from orders.services.sweeping import resume_stuck_orders
from tasks.causes import Cause
from tasks.guard import single_flight
from tasks.models import DeadLetter
from tests.integration import sold_orders as sold
from tests.integration.own_bank import OwnBank, own_bank
from tests.integration.planted_faults import PLANTS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def bank_of_ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBank]:
    with own_bank(tmp_path_factory.mktemp("bank")) as bank:
        yield bank


@pytest.fixture(autouse=True)
def empty_books(bank_of_ours: OwnBank, settings: LazySettings, tmp_path: Path) -> None:
    bank_of_ours.open_anew(settings)
    settings.MAIL_DIR = str(tmp_path)
    settings.EMAIL_BACKEND = "orders.gateways.mail_folder.FolderBackend"


def breaches(report: AuditReport) -> dict[str, tuple[str, ...]]:
    return {rule.title: rule.breaches for rule in report.rules if rule.breaches}


def every_kind_of_life() -> None:
    sold.declined("DECLINED")
    sold.expired("EXPIRED")
    sold.cancelled(sold.placed("CANCELLED"))
    sold.cancelled(sold.asked("CANCELLED-PAID"))
    sold.cancelled(sold.packed("CANCELLED-PACKED"))
    sold.refunded(sold.packed("REFUNDED-PART", units=2), 300)
    sold.refunded(sold.packed("REFUNDED-UNIT", units=2), units=1)
    sold.refunded(sold.packed("REFUNDED-ALL"))
    sold.shipped("SHIPPED", units=2)
    sold.refunded(sold.delivered("DELIVERED-REFUNDED", units=2), units=1)
    sold.announced("ANNOUNCED")
    sold.returned("RETURNED")


def test_no_kind_of_life_is_taken_for_a_fault() -> None:
    every_kind_of_life()

    report = audit(settled=True)

    assert breaches(report) == {}
    assert report.counts["orders"] == 12
    assert report.counts["captures_at_gateway"] == 9
    assert report.counts["refunds_at_gateway"] == report.counts["refunds_moved"] == 7


def test_what_is_in_flight_is_no_fault_unless_all_should_be_settled() -> None:
    sold.placed("PLACED")
    sold.asked("UNPACKED")
    sold.refund_of(sold.packed("REFUNDING"), 100)

    assert audit().ok
    found = [difference.code for difference in audit(settled=True).differences]
    assert Counter(found) == {"order_stuck": 2, "refund_stuck": 1}


def test_a_fault_of_every_kind_is_found_and_none_besides(bank_of_ours: OwnBank) -> None:
    """All at once, each on an order of its own, among orders that are as they should be."""
    wanted: dict[str, set[str]] = {}
    for number, (plant, codes) in enumerate(PLANTS):
        sku = f"SKU-{number}"
        subject = plant(sku, bank_of_ours.books)
        for code in codes:
            # Money and mails are told by the order; the shelf is told by the SKU.
            of_shelf = FAULTS[code].counted == "skus"
            wanted.setdefault(sku if of_shelf else subject, set()).add(code)
    every_kind_of_life()

    report = audit()

    found: dict[str, set[str]] = {}
    for difference in report.differences:
        found.setdefault(difference.subject, set()).add(difference.code)
    assert found == wanted
    assert len(report.differences) == sum(len(codes) for _plant, codes in PLANTS)
    assert not report.ok


def test_every_kind_of_the_table_has_a_planted_fault() -> None:
    assert set(FAULTS) == {code for _plant, codes in PLANTS for code in codes}


def test_what_a_bank_or_a_mail_server_refused_is_told_and_breaks_no_promise(tmp_path: Path) -> None:
    plants = {plant.__name__: plant for plant, _codes in PLANTS}
    plants["a_mail_server_refuses"]("MAIL", tmp_path)
    plants["a_bank_refuses_the_refund"]("BANK", tmp_path)

    report = audit(settled=True)

    assert report.ok
    assert {item.code for item in report.differences} == {"mail_refused", "refund_refused"}


def test_a_charge_that_is_still_asked_about_is_in_flight_and_not_lost() -> None:
    order = sold.asked("MUG")
    Payment.objects.update(status="unknown", gateway_reference="", settled_at=None)
    Order.objects.filter(pk=order.pk).update(status="placed")

    assert audit().ok


def test_work_that_a_sweep_tries_again_stands_still_only_with_a_dead_letter() -> None:
    order = sold.placed("MUG")
    Order.objects.update(changed_at=Now() - timedelta(hours=1))
    resume_stuck_orders()

    assert audit().ok
    DeadLetter.objects.create(
        message_id=order.idempotency_key,
        task="orders.capture_payment",
        subject=order.subject,
        attempt=1,
        cause=Cause.PERMANENT,
        error_class="Permanent",
        error="",
    )
    assert [item.code for item in audit().differences] == ["order_stuck"]


def test_an_audit_of_some_orders_is_silent_about_the_others() -> None:
    mine, other = sold.packed("MINE"), sold.packed("OTHER")
    StockItem.objects.filter(sku="OTHER").update(held=1)
    Payment.objects.filter(order=other).update(gateway_reference="pi_never")

    assert not audit().ok
    report = audit(Scope(order_ids=[mine.pk]), settled=True)
    assert report.ok
    assert report.counts["orders"] == report.counts["captures_at_gateway"] == 1


def test_the_command_exits_with_1_when_a_rule_is_broken() -> None:
    sold.packed("MUG")
    StockItem.objects.update(held=1)

    with pytest.raises(SystemExit) as end:
        call_command("audit", stdout=StringIO())

    assert end.value.code == 1


def finished() -> None:
    """With the mail really sent."""
    order = sold.packed("MUG")
    mail = order.notifications.get()
    order.notifications.update(status="pending", sent_at=None)
    with single_flight(f"notification:{mail.pk}", wait=5) as lease:
        send_notification(mail.pk, lease)


def test_an_audit_under_load_invents_no_fault() -> None:
    """Orders are placed, paid, packed and refunded all the while: each audit sees one moment."""
    stop = Event()

    def trade(number: int) -> int:
        made = 0
        with closing(connections["default"]):
            while not stop.is_set():
                finished()
                sold.refunded(sold.packed(f"LAMP-{number}"))
                made += 2
        return made

    with ThreadPoolExecutor(2) as traders:
        trading = [traders.submit(trade, number) for number in range(2)]
        try:
            found = [breaches(audit()) for _ in range(15)]
        finally:
            stop.set()

    assert found == [{}] * 15
    assert sum(done.result() for done in trading) > 5
