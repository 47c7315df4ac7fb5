"""Staff hear of low stock once each time it comes to that, by a mail that is a row."""

import threading

import pytest
from django.conf import LazySettings
from django.core import mail
from django.db import connections, transaction
from django.db.models.functions import Now

from orders.gateways.mailer import Attachment
from orders.models import StaffMail, StockItem
from orders.services.low_stock import set_low_mark, tell_low_stock
from orders.services.outgoing import resume_outgoing
from orders.services.shelf import receive_stock, write_off
from orders.services.staff_mail import owe_mail, send_mail_again, send_staff_mail
from tasks.guard import single_flight
from tasks.models import OutboxMessage
from tests.integration.shopping import placed

pytestmark = pytest.mark.django_db

Status = StaffMail.Status


@pytest.fixture(autouse=True)
def _staff(settings: LazySettings) -> None:
    settings.STAFF_EMAILS = ["ann@example.com", "bo@example.com"]


def stocked(sku: str, units: int, *, low_at: int) -> None:
    receive_stock(sku, units, "test")
    set_low_mark(sku, low_at)


def subjects() -> list[str]:
    return list(StaffMail.objects.order_by("pk").values_list("subject", flat=True))


def sent(one: StaffMail) -> StaffMail:
    with single_flight(one.subject_key, wait=5) as lease:
        send_staff_mail(one.pk, lease)
    one.refresh_from_db()
    return one


def test_each_of_the_staff_is_owed_one_mail_about_all_that_became_low() -> None:
    stocked("CUP", 2, low_at=2)
    stocked("MUG", 1, low_at=5)
    stocked("POT", 9, low_at=5)
    stocked("JUG", 0 + 1, low_at=0)

    assert tell_low_stock() == 2
    assert tell_low_stock() == 0

    owed = list(StaffMail.objects.order_by("recipient"))
    assert [one.recipient for one in owed] == ["ann@example.com", "bo@example.com"]
    assert {one.subject for one in owed} == {"Low stock: CUP, MUG"}
    assert "MUG: 1 can be sold" in owed[0].text
    for one in owed:
        assert OutboxMessage.objects.filter(subject=one.subject_key).count() == 1


def test_units_that_orders_hold_count_as_gone() -> None:
    stocked("MUG", 1, low_at=5)
    receive_stock("MUG", 4, "test")  # five of them
    set_low_mark("MUG", 4)
    assert tell_low_stock() == 0

    placed(stock=0 + 1)  # six on the shelf
    placed(stock=1)  # seven, two of them held
    write_off("MUG", 1, "broken", actor="test")

    assert tell_low_stock() == 1
    assert "4 can be sold (6 on the shelf, 2 held" in StaffMail.objects.all()[0].text


def test_a_sku_is_told_of_again_only_after_there_was_more_of_it() -> None:
    stocked("MUG", 3, low_at=2)
    write_off("MUG", 1, "broken", actor="test")
    assert tell_low_stock() == 1
    write_off("MUG", 1, "broken", actor="test")
    assert tell_low_stock() == 0

    receive_stock("MUG", 5, "test")
    assert tell_low_stock() == 0
    write_off("MUG", 4, "broken", actor="test")

    assert tell_low_stock() == 1


def test_a_new_mark_asks_for_a_new_notice_and_the_same_one_does_not() -> None:
    stocked("MUG", 3, low_at=3)
    assert tell_low_stock() == 1

    set_low_mark("MUG", 3)
    assert tell_low_stock() == 0
    set_low_mark("MUG", 4)
    assert tell_low_stock() == 1


def test_without_an_address_nothing_counts_as_told(settings: LazySettings) -> None:
    settings.STAFF_EMAILS = []
    stocked("MUG", 1, low_at=1)

    assert tell_low_stock() == 0
    assert StockItem.objects.get().low_told_at is None

    settings.STAFF_EMAILS = ["ann@example.com"]
    assert tell_low_stock() == 1


@pytest.mark.django_db(transaction=True)
def test_sweeps_side_by_side_tell_once() -> None:
    for number in range(20):
        stocked(f"SKU{number:02}", 1, low_at=1)
    told: list[int] = []
    start = threading.Barrier(3)

    def run() -> None:
        try:
            start.wait(timeout=10)
            told.append(tell_low_stock())
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sum(told) == 20
    text = "\n".join(
        StaffMail.objects.filter(recipient="ann@example.com").values_list("text", flat=True)
    )
    assert text.count(" can be sold") == 20


# -- the mail --------------------------------------------------------------------


def owed(subject: str = "Hello", file: Attachment | None = None) -> StaffMail:
    with transaction.atomic():
        for _ in range(2):  # the same cause is one mail
            owe_mail(
                ["ann@example.com"],
                StaffMail.Kind.EXPORT,
                cause="1",
                subject=subject,
                text="Five & six <units>",
                attachment=file,
            )
    return StaffMail.objects.get()


def test_a_mail_is_sent_with_its_file_which_is_then_dropped() -> None:
    one = sent(owed(file=Attachment("orders.csv", b"number\r\n", "text/csv")))

    assert (one.status, bytes(one.attachment)) == (Status.SENT, b"")
    assert one.sent_at is not None
    (message,) = mail.outbox
    assert message.to == ["ann@example.com"]
    assert message.extra_headers["Message-ID"].startswith(f"<{one.message_key}@")
    assert ("orders.csv", "number\r\n", "text/csv") in [tuple(a) for a in message.attachments]
    sent(one)  # its message comes twice
    assert len(mail.outbox) == 1


def test_a_mail_that_no_server_takes_is_refused_kept_and_can_be_sent_again() -> None:
    one = sent(owed("two\nlines", Attachment("orders.csv", b"number\r\n", "text/csv")))

    assert one.status == Status.REFUSED
    assert "cannot be written" in one.problem
    assert bytes(one.attachment) == b"number\r\n"
    StaffMail.objects.update(subject="one line")
    OutboxMessage.objects.all().delete()

    assert send_mail_again(one.pk)
    assert not send_mail_again(one.pk)

    assert OutboxMessage.objects.filter(subject=one.subject_key).count() == 1
    one.refresh_from_db()
    assert sent(one).status == Status.SENT


def test_a_mail_that_nobody_has_in_hand_is_sent_on_by_the_sweep(settings: LazySettings) -> None:
    settings.STUCK_AFTER_SECONDS = 0
    one = owed()
    assert resume_outgoing() == 0
    OutboxMessage.objects.all().delete()
    StaffMail.objects.update(swept_at=None, created_at=Now())

    assert resume_outgoing() == 1

    assert OutboxMessage.objects.filter(subject=one.subject_key).count() == 1
