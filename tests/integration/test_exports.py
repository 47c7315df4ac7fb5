"""Orders as a file: what the list shows, safe to open, bounded; and by mail at set times."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.models import ExportSchedule, Order, StaffMail
from orders.services import exports
from orders.services.cancellation import cancel_order
from orders.services.exports import order_file, send_exports
from orders.services.payment import capture_payment
from orders.services.refunding import move_refund
from tests.integration.desk import plain_files, staff, text
from tests.integration.shopping import lease_on, placed

pytestmark = pytest.mark.django_db

LIST = "admin:orders_order_changelist"
EXPORT = "admin:orders_order_export"


@pytest.fixture(autouse=True)
def _plain_files(settings: LazySettings, tmp_path: Path) -> None:
    plain_files(settings, tmp_path)


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def paid(order: Order) -> Order:
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)
    order.refresh_from_db()
    return order


def refunded(order: Order) -> Order:
    cancel_order(order.pk, actor="test", reason="test")
    with lease_on(order) as lease:
        move_refund(order.pk, order.refunds.get().pk, lease)
    return order


# -- the file --------------------------------------------------------------------


def test_a_row_tells_states_money_and_lines() -> None:
    order = refunded(paid(placed()))

    (row,) = rows(order_file(Order.objects.all()).content)

    assert row["number"] == order.number
    assert (row["status"], row["currency"]) == ("cancelled", "EUR")
    assert (row["total"], row["captured"], row["refunded"]) == ("10.00", "10.00", "10.00")
    assert (row["units"], row["lines"]) == ("1", "1 × MUG")
    assert datetime.fromisoformat(row["placed_at"]) == order.placed_at
    assert row["packed_at"] == ""


def test_what_a_shopper_typed_is_never_a_formula() -> None:
    placed()
    Order.objects.update(ship_to_name='=HYPERLINK("http://evil.example","pay")')

    (row,) = rows(order_file(Order.objects.all()).content)

    assert row["ship_to_name"] == '\'=HYPERLINK("http://evil.example","pay")'


def test_a_thousand_orders_cost_a_handful_of_statements() -> None:
    for number in range(30):
        placed(f"SKU{number}")

    connection.force_debug_cursor = True
    before = len(connection.queries_log)
    try:
        file = order_file(Order.objects.all())
        statements = len(connection.queries_log) - before
    finally:
        connection.force_debug_cursor = False

    assert file.orders == 30
    assert statements <= 8


def test_a_file_that_is_full_says_how_many_it_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = placed(), placed()
    placed()
    monkeypatch.setattr(exports, "MOST_ORDERS", 2)

    file = order_file(Order.objects.all())

    assert [row["number"] for row in rows(file.content)] == [first.number, second.number]
    assert (file.orders, file.left_out) == (2, 1)


# -- from the list ---------------------------------------------------------------


def export(client: Client, query: str = "") -> Any:
    return client.get(reverse(EXPORT) + query)


def test_an_export_holds_what_the_list_shows() -> None:
    client = staff("manager")
    placed()
    wanted = paid(placed())

    answer = export(client, "?status__exact=paid")

    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"].endswith('.csv"')
    assert [row["number"] for row in rows(answer.content)] == [wanted.number]
    assert reverse(EXPORT) in client.get(reverse(LIST)).content.decode()


def test_a_list_that_is_too_long_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = staff("manager")
    placed()
    placed()
    monkeypatch.setattr(exports, "MOST_ORDERS", 1)

    page = client.get(reverse(EXPORT) + "?status__exact=placed", follow=True)

    assert "These are 2 orders, and a file holds 1 at most" in text(page)
    assert page.request["PATH_INFO"] == reverse(LIST)
    assert page.request["QUERY_STRING"] == "status__exact=placed"


@pytest.mark.parametrize("role", ["clerk", "auditor"])
def test_who_may_not_export_sees_no_button_and_is_refused(role: str) -> None:
    client = staff(role)
    placed()

    assert reverse(EXPORT) not in client.get(reverse(LIST)).content.decode()
    assert export(client).status_code == 403
    assert client.get(reverse("admin:orders_exportschedule_add")).status_code == 403


# -- by mail ---------------------------------------------------------------------


def schedule(**facts: Any) -> ExportSchedule:
    given = {"name": "Orders", "recipients": "bo@example.com, ann@example.com", "hour": 6}
    one = ExportSchedule.objects.create(**{**given, **facts})
    ExportSchedule.objects.filter(pk=one.pk).update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    return one


def march(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> int:
    monkeypatch.setattr(timezone, "now", lambda: moment)
    return send_exports()


def placed_at(moment: datetime) -> Order:
    order = placed()
    Order.objects.filter(pk=order.pk).update(placed_at=moment)
    return order


def attached() -> list[set[str]]:
    """The numbers of each mail to Ann."""
    mails = StaffMail.objects.filter(recipient="ann@example.com").order_by("pk")
    return [{row["number"] for row in rows(bytes(one.attachment))} for one in mails]


def test_every_recipient_is_owed_one_mail_per_due_time_with_the_orders_since_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = schedule()
    placed_at(march(8, 5, 59))
    second = placed_at(march(9, 12))
    third = placed_at(march(10, 6))

    assert at(monkeypatch, march(10, 6, 5)) == 1
    assert at(monkeypatch, march(10, 7)) == 0
    assert at(monkeypatch, march(11, 6, 5)) == 1

    assert StaffMail.objects.count() == 4
    assert attached() == [{second.number}, {third.number}]
    one.refresh_from_db()
    assert one.last_sent_at == march(11, 6)


def test_an_order_whose_transaction_was_still_open_at_the_due_time_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule()

    assert at(monkeypatch, march(10, 6, 1)) == 1  # that of the day before
    assert attached() == [set()]
    order = placed_at(march(10, 5, 59))  # committed late
    assert at(monkeypatch, march(10, 6, 3)) == 1

    assert attached()[1] == {order.number}


def test_after_days_without_workers_one_mail_holds_all_that_was_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule()
    assert at(monkeypatch, march(10, 6, 5)) == 1
    orders = [placed_at(march(day, 12)) for day in (10, 11, 12)]

    assert at(monkeypatch, march(13, 9)) == 1

    assert attached()[1] == {order.number for order in orders}


def test_a_schedule_that_is_off_or_new_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule(name="off", is_active=False)
    new = schedule(name="new")
    ExportSchedule.objects.filter(pk=new.pk).update(created_at=march(10, 6, 1))

    assert at(monkeypatch, march(10, 7)) == 0


def test_one_bad_schedule_does_not_keep_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good = schedule(name="a bad one"), schedule(name="good")
    ExportSchedule.objects.filter(pk=bad.pk).update(period="never")

    assert at(monkeypatch, march(10, 7)) == 1

    good.refresh_from_db()
    assert good.last_sent_at is not None


def test_a_schedule_takes_addresses_only() -> None:
    client = staff("manager")
    url = reverse("admin:orders_exportschedule_add")
    given = {"name": "A", "period": "daily", "weekday": "0", "hour": "6", "is_active": "on"}

    refused = client.post(url, {**given, "recipients": "ann@example.com, bo"})
    assert "No mail address: bo" in text(refused)
    assert "Give a mail address" in text(client.post(url, {**given, "recipients": " , "}))

    client.post(url, {**given, "recipients": "bo@example.com,ann@example.com,bo@example.com"})
    assert ExportSchedule.objects.get().recipients == "ann@example.com, bo@example.com"
