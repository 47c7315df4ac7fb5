"""The proof of a period: what it matches, how it is filed, what can be mended, who may see it."""

import csv
import json
import secrets
from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.admin import proof as proof_page
from orders.models import Notification, Order, Payment, StockItem, TimelineEvent
from orders.services.audit import audit
from orders.services.proof import Limits, Period, TooMuch, prove, prove_order
from orders.services.proof_document import as_csv, as_html, as_json
from orders.services.proof_repair import mend, repairs
from orders.services.proof_signature import public_key
from orders.services.settlement import recheck_payment
from orders.task_names import RECHECK_PAYMENT
from tasks.models import OutboxMessage
from tests.integration import planted_faults as faults
from tests.integration import sold_orders as sold
from tests.integration.desk import plain_files, staff
from tests.integration.own_bank import OwnBank, own_bank
from tests.integration.shopping import lease_on

pytestmark = pytest.mark.django_db(transaction=True)
TODAY = Period(date(2000, 1, 1), date(2100, 1, 1))
NOWHERE = Path("/")


@pytest.fixture(scope="module")
def bank_of_ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBank]:
    with own_bank(tmp_path_factory.mktemp("bank")) as bank:
        yield bank


@pytest.fixture(autouse=True)
def empty_books(bank_of_ours: OwnBank, settings: LazySettings, tmp_path: Path) -> None:
    bank_of_ours.open_anew(settings)
    settings.PROOF_KEY = secrets.token_urlsafe(50)
    plain_files(settings, tmp_path)


def run(*arguments: str) -> tuple[str, int]:
    """What the command says, and its exit status."""
    out = StringIO()
    try:
        call_command("audit", *arguments, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


def test_a_row_matches_an_order_with_the_bank_the_ledger_and_the_mails() -> None:
    order = sold.packed("MUG", units=2)
    sold.refunded(order, units=1)

    proof = prove(TODAY)

    (row,) = proof.rows
    assert proof.report.ok
    assert (row.order, row.total_cents) == (order.number, 2_000)
    assert (row.captured_cents, row.captured_there_cents) == (2_000, 2_000)
    assert (row.refunded_cents, row.refunding_cents, row.refunded_there_cents) == (1_000, 0, 1_000)
    assert (row.units_ordered, row.units_deducted, row.units_back) == (2, 2, 1)
    assert (row.mails_due, row.mails_sent) == (2, 2)
    assert proof.totals["EUR"]["refunded_there_cents"] == 1_000


def test_a_period_has_its_own_orders_and_the_money_of_nobody_that_moved_in_it() -> None:
    today = timezone.localdate()
    old, new = sold.packed("OLD"), sold.packed("NEW")
    Order.objects.filter(pk=old.pk).update(placed_at=Now() - timedelta(days=3))
    faults.charge(new, payment_id=0, number="NO-ORDER")

    proof = prove(Period(today, today))
    assert [row.order for row in proof.rows] == [new.number]
    assert [item.code for item in proof.report.differences] == ["charge_unknown"]

    earlier = prove(Period(today - timedelta(days=4), today - timedelta(days=2)))
    assert [row.order for row in earlier.rows] == [old.number]
    assert earlier.report.ok
    assert [row.order for row in prove_order(old).rows] == [old.number]


def test_late_money_belongs_to_the_day_of_its_order() -> None:
    """Its refund as well, whenever they came."""
    today = timezone.localdate()
    order = sold.packed("MUG")
    sold.refunded(order)
    Order.objects.update(placed_at=Now() - timedelta(days=40))

    earlier = prove(Period(today - timedelta(days=41), today - timedelta(days=39)))

    assert earlier.report.ok
    assert earlier.rows[0].refunded_there_cents == order.total_cents
    assert prove(Period(today, today)).report.counts["captures_at_gateway"] == 0


def test_the_filed_forms_say_the_same_and_are_known_as_untouched(tmp_path: Path) -> None:
    order = sold.packed("MUG")
    faults.rows(Payment, order).update(refund_reserved_cents=1)
    files = {name: str(tmp_path / f"proof.{name}") for name in ("json", "csv", "html")}
    places = [word for name, place in files.items() for word in (f"--{name}", place)]

    said, status = run("--order", order.number.lower(), *places)

    assert status == 1
    assert "reserves 1, its refunds are 0" in said
    document = json.loads(Path(files["json"]).read_text())["proof"]
    assert document["differences"][0]["code"] == "reservation_differs"
    assert document["orders"][0]["order"] == order.number
    table = list(csv.DictReader(Path(files["csv"]).read_text().splitlines()))
    assert [row["record"] for row in table] == ["proof", "order", "difference", "signature"]
    assert table[2]["mend"] == document["differences"][0]["mend"]
    page = Path(files["html"]).read_text()
    assert order.number in page
    assert document["differences"][0]["mend"] in page.replace("&#x27;", "'")
    for place in files.values():
        assert run("--verify", place)[1] == 0
        Path(place).write_text(Path(place).read_text().replace(order.number, "2222-2222"))
        told, status = run("--verify", place)
        assert status == 1
        assert "CHANGED" in told


def test_others_check_with_the_public_key_alone(tmp_path: Path, settings: LazySettings) -> None:
    place = tmp_path / "proof.json"
    place.write_bytes(as_json(prove(TODAY)))
    key = run("--public-key")[0].strip()
    settings.PROOF_KEY = ""

    assert run("--verify", str(place), "--key", key)[1] == 0
    with pytest.raises(CommandError, match="PROOF_KEY"):
        run("--order", "none", "--verify", str(place))


def test_a_filed_report_names_no_shopper() -> None:
    order = sold.shipped("MUG")[0]
    faults.rows(Notification, order).update(
        status="refused", problem=f"550 <{order.email}> no such user"
    )
    proof = prove(TODAY)
    assert "<(its address)> no such user" in proof.report.differences[0].detail

    for filed in (as_json(proof), as_csv(proof), as_html(proof)):
        for personal in (order.email, order.ship_to_name, order.ship_to_line1, order.token):
            assert personal.encode() not in filed


def test_a_spreadsheet_finds_no_formula_in_the_report() -> None:
    faults.charge(sold.packed("MUG"), payment_id=0, number='=cmd|"/C calc"!A0')

    rows = list(csv.DictReader(as_csv(prove(TODAY)).decode().splitlines()))

    assert rows[2]["order"].startswith("'=cmd")


def test_a_wrong_call_says_what_to_do() -> None:
    for words, told in (
        ("--from 2026-11-01", "--to"),
        ("--from 2026-11-02 --to 2026-11-01", "before it begins"),
        ("--order 2222-2222", "no order"),
        ("--order x --from 2026-11-01 --to 2026-11-01", "not both"),
        ("--csv", "--from and --to"),
        ("--verify /nowhere/proof.json", "No such file"),
    ):
        with pytest.raises(CommandError, match=told) as refusal:
            run(*words.split())
        assert refusal.value.returncode == 2


def test_a_page_that_would_take_too_long_says_what_to_run() -> None:
    sold.placed("A")
    sold.placed("B")

    with pytest.raises(TooMuch, match=r"2 orders.*or run: THIS"):
        prove(TODAY, limits=Limits(1, 10, "THIS"))
    with pytest.raises(TooMuch, match=r"longer than 0 s.*or run: THIS"):
        prove(TODAY, limits=Limits(10, 0, "THIS"))


# -- mending -------------------------------------------------------------------------------------
def mended() -> list[str]:
    return [mend(repair) for repair in repairs(audit().differences)]


def waiting_tasks() -> list[str]:
    return sorted(OutboxMessage.objects.values_list("task", flat=True))


def test_nothing_is_mended_before_somebody_says_yes() -> None:
    faults.a_mail_is_forgotten("MUG", NOWHERE)

    said, status = run("--repair")

    assert status == 1
    assert "1 can be mended here, 0 need a person. Nothing was done: add --yes" in said
    assert not Notification.objects.filter(kind="order_shipped").exists()


def test_a_forgotten_mail_is_written_once() -> None:
    faults.a_mail_is_forgotten("MUG", NOWHERE)
    found = repairs(audit().differences)

    said, _status = run("--repair", "--yes")
    mend(found[0])

    assert "the mail 'order_shipped' was written" in said
    assert Notification.objects.filter(kind="order_shipped", status="pending").count() == 1
    assert audit().ok
    assert TimelineEvent.objects.filter(kind="repaired", actor="audit").exists()


@pytest.mark.parametrize(
    ("plant", "task"),
    [
        (faults.an_order_is_left_alone, "orders.capture_payment"),
        (faults.a_payment_outlives_its_order, "orders.capture_payment"),
        (faults.a_refund_is_left_alone, "orders.move_refund"),
        (faults.a_mail_is_left_alone, "orders.send_notification"),
        (faults.a_cancelled_payment_is_charged, RECHECK_PAYMENT),
    ],
)
def test_what_stands_still_is_sent_again_unless_a_message_waits(
    plant: faults.Plant, task: str
) -> None:
    plant("MUG", NOWHERE)
    waits_already = waiting_tasks()
    first = mended()
    if task != RECHECK_PAYMENT:  # a question that is asked twice is asked once too often, at worst
        assert first[0].startswith("left alone")
        assert waiting_tasks() == waits_already
    OutboxMessage.objects.all().delete()

    assert not mended()[0].startswith("left alone")
    assert waiting_tasks() == [task]


def test_money_that_was_taken_for_refused_is_written_down_by_the_worker() -> None:
    number = faults.a_cancelled_payment_is_charged("MUG", NOWHERE)
    mended()
    order = Order.objects.get(number=number)
    with lease_on(order) as lease:
        recheck_payment(order.pk, order.payments.get().pk, lease)

    order.refresh_from_db()
    assert order.status == "paid"
    assert audit().ok


def test_held_units_are_counted_again_and_only_if_they_are_there() -> None:
    sold.placed("MUG", units=2)
    StockItem.objects.update(held=5)

    assert mended() == ["held was 5 and is 2"]
    assert audit().ok

    StockItem.objects.update(held=1, on_hand=1)
    told = [text for text in mended() if "held" in text]
    assert told == ["left alone: 2 are held and only 1 on hand; count the shelf"]


def test_a_judgement_is_never_made_by_the_repair() -> None:
    """Money and shelf are left to people: whatever can be mended is a message, a mail or a sum."""
    order = sold.packed("MUG")
    sold.refunded(order, 100)
    faults.two_payments_are_captured("LAMP", NOWHERE)
    StockItem.objects.filter(sku="MUG").update(on_hand=F("on_hand") + 1)

    assert not audit().ok
    assert repairs(audit().differences) == []


# -- the page ------------------------------------------------------------------------------------
def ask(client: Client, form: str = "page", **days: Any) -> Any:
    asked = {"first": "2000-01-01", "last": "2100-01-01", "as": form, **days}
    return client.get(reverse("admin:orders_proof"), asked)


def test_only_who_may_see_the_proof_sees_it() -> None:
    assert Client().get(reverse("admin:orders_proof")).status_code == 302
    assert staff("clerk").get(reverse("admin:orders_proof")).status_code == 403
    for role in ("manager", "auditor"):
        assert staff(role).get(reverse("admin:orders_proof")).status_code == 200


def test_the_page_shows_the_proof_and_gives_it_as_signed_files(tmp_path: Path) -> None:
    order = sold.packed("MUG")
    faults.rows(Payment, order).update(refund_reserved_cents=1)
    client = staff("auditor")

    page = ask(client).content.decode()
    assert "The promise is broken" in page
    assert "reserves 1, its refunds are 0" in page
    for form in ("json", "csv", "html"):
        answer = ask(client, form)
        assert f"proof-2000-01-01-to-2100-01-01.{form}" in answer["Content-Disposition"]
        place = tmp_path / form
        place.write_bytes(answer.content)
        assert run("--verify", str(place)) == (
            f"{place}: untouched, signed with this key ({public_key()})\n",
            0,
        )
    assert client.post(reverse("admin:orders_proof")).status_code == 405


def test_the_page_explains_what_it_cannot_do(
    bank_of_ours: OwnBank, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = staff("auditor")
    sold.placed("MUG")

    assert "before it begins" in ask(client, last="1999-01-01").content.decode()
    assert ask(client, first="yesterday").status_code == 422
    settings.PROOF_KEY = ""
    refused = ask(client, "json")
    assert (refused.status_code, "PROOF_KEY" in refused.content.decode()) == (422, True)
    monkeypatch.setattr(proof_page, "MOST_ORDERS", 0)
    assert "manage.py audit --from 2000-01-01" in ask(client).content.decode()
    monkeypatch.undo()
    bank_of_ours.server.set_mode("down")
    assert ask(client).status_code == 503
