"""Everything held about a person is handed out, and is gone from every table when erased."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from orders.models import Invoice, Notification, Order, TimelineEvent
from orders.services.cancellation import cancel_order
from orders.services.fulfilment import deduct_inventory
from orders.services.invoice import issue_invoice
from orders.services.notification import announce
from orders.services.papers import invoice_html
from orders.services.payment import capture_payment
from orders.services.personal_data import ask_for_erasure, erase_ended_orders
from orders.services.placement import place_order
from orders.services.returns import announce_return
from orders.services.shelf import receive_stock
from orders.services.shipping import mark_delivered, ship_lines
from shop.models import Account, AccountMail, SavedAddress
from tests.integration.accounts import ADA, PASSWORD, asks, prepare, signs_in, with_account
from tests.integration.shop_visitor import ADDRESS, Page, Visitor
from tests.integration.shopping import command, lease_on, line

pytestmark = pytest.mark.django_db

# Words that occur nowhere but in Ada's data.
PERSONAL = ("ada@", "Lovelace", "Havenkade", "1011 AB", "my aunt", "JD0147")
BOOK = {key: value for key, value in ADDRESS.items() if key != "email"}


@pytest.fixture(autouse=True)
def _shop(db: None, settings: Settings, tmp_path: Path) -> None:
    prepare(settings, tmp_path)


@pytest.fixture
def ada(settings: Settings) -> Visitor:
    visitor = with_account(settings)
    asks(visitor, "/account/addresses/add/", "address", **BOOK)
    return visitor


def bought(*, owner: User | None = None) -> Order:
    """Paid and packed, by Ada."""
    receive_stock("MUG", 1, "test")
    order = place_order(command(line("MUG"), key=uuid4()))
    Order.objects.filter(pk=order.pk).update(
        email=ADA,
        customer=owner,
        ship_to_name="Ada Lovelace",
        ship_to_line1="Havenkade 12",
        ship_to_postcode="1011 AB",
    )
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)
    with lease_on(order) as lease:
        deduct_inventory(order.pk, lease)
    order.refresh_from_db()
    return order


def mailed(order: Order) -> None:
    order.notifications.update(
        recipient=ADA,
        status=Notification.Status.SENT,
        text="Hello Ada Lovelace",
        html="<p>Ada Lovelace</p>",
    )


def delivered(order: Order) -> Order:
    parcel = ship_lines(
        order.pk, form_key=uuid4(), carrier="dhl", tracking_code="JD0147", actor="staff boss"
    )
    mark_delivered(parcel.pk, actor="staff boss")
    mailed(order)
    order.refresh_from_db()
    return order


def tables_that_hold(word: str) -> list[str]:
    """Every column of every table that holds the word, in texts and in JSON."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public'"
            " AND data_type IN ('text', 'character varying', 'jsonb')"
        )
        columns = cursor.fetchall()
        found = []
        for table, column in columns:
            rows = f'SELECT 1 FROM "{table}" WHERE "{column}"::text ILIKE %s'  # noqa: S608  # names from the database itself
            cursor.execute(f"SELECT EXISTS ({rows})", [f"%{word}%"])
            if cursor.fetchone()[0]:
                found.append(f"{table}.{column}")
    return found


def erases(visitor: Visitor, password: str = PASSWORD) -> Page:
    form = visitor.get("/account/data/").form("erase")
    return visitor.post("/account/data/erase/", {**form, "old_password": password})


def test_the_download_holds_everything(ada: Visitor) -> None:
    order = delivered(bought(owner=User.objects.get()))
    announce_return(order.pk, form_key=uuid4(), lines=(), reason="for my aunt", actor="shopper")

    answer = ada.post("/account/data/export/", ada.get("/account/data/").form("export"))

    assert answer.status == 200
    assert answer.response["Content-Disposition"].startswith("attachment")
    assert "no-store" in answer.response["Cache-Control"]
    held = json.loads(answer.text)
    assert held["account"]["email"] == ADA
    assert held["account"]["addresses"][0]["line1"] == "Havenkade 12"
    assert held["mails_about_the_account"][0]["kind"] == "sign_up"
    told = held["orders"][0]
    assert told["number"] == order.number
    assert told["ship_to_name"] == "Ada Lovelace"
    assert told["payments"][0]["card_label"] == "Visa ·· 4242"
    assert told["returns"][0]["reason"] == "for my aunt"
    assert told["parcels"][0]["tracking_code"] == "JD0147"
    assert any("Lovelace" in mail["text"] for mail in told["mails"])


def test_after_erasure_nothing_of_the_person_is_in_any_table(ada: Visitor) -> None:
    order = delivered(bought(owner=User.objects.get()))
    cancelled = bought()
    cancel_order(cancelled.pk, actor="shopper", reason="my aunt has one already")
    cancelled.refunds.update(status="moved")
    mailed(cancelled)
    invoice = issue_invoice(order.pk)
    token = order.token
    assert all(tables_that_hold(word) for word in PERSONAL)

    page = erases(ada)

    assert page.location == "/"
    assert {word: tables_that_hold(word) for word in PERSONAL} == {word: [] for word in PERSONAL}
    assert not Account.objects.exists()
    assert not User.objects.exists()
    order.refresh_from_db()
    # What the books need.
    assert (order.total_cents, order.ship_to_country) == (1_000, "DE")
    assert order.payments.get().gateway_reference.startswith("pi_")
    assert order.timeline.filter(kind="erased").count() == 1
    kept = Invoice.objects.get()
    assert (kept.number, kept.facts["total_cents"]) == (invoice.number, 1_000)
    assert "(erased)" in invoice_html(kept)
    assert Visitor().get(f"/orders/{token}/").status == 404
    assert signs_in(Visitor()).status == 422


def test_an_order_that_has_not_ended_is_kept_said_so_and_erased_when_it_ends(
    ada: Visitor, settings: Settings
) -> None:
    order = bought(owner=User.objects.get())

    erases(ada)

    assert f"{order.number}: it is not shipped yet" in ada.get("/").words
    order.refresh_from_db()
    assert (order.email, order.customer) == (ADA, None)
    Order.objects.update(erase_asked_at="2020-01-01T00:00Z")
    assert erase_ended_orders() == 0

    delivered(order)
    Order.objects.update(swept_at=None)
    assert erase_ended_orders() == 1
    assert erase_ended_orders() == 0
    order.refresh_from_db()
    assert (order.email, order.ship_to_name) == ("", "(erased)")
    assert order.timeline.get(kind="erased").actor == "sweeper"


def test_a_wrong_password_erases_nothing(ada: Visitor) -> None:
    page = erases(ada, "wrong")

    assert page.status == 422
    assert page.ids_with_errors() == {"old_password"}
    assert Account.objects.exists()


def test_orders_of_another_account_with_the_same_address_are_that_accounts(
    ada: Visitor, settings: Settings
) -> None:
    with_account(settings, "mallory@example.org")
    theirs = delivered(bought(owner=User.objects.get(account__email="mallory@example.org")))

    held = json.loads(ada.post("/account/data/export/", {}).text)
    ada.post("/account/data/erase/", {"old_password": PASSWORD})

    assert held["orders"] == []
    theirs.refresh_from_db()
    assert theirs.erased_at is None


def test_an_erased_order_is_owed_no_mail(ada: Visitor) -> None:
    order = delivered(bought())
    ask_for_erasure([order.pk], actor="test")
    order.refresh_from_db()
    before = order.notifications.count()

    announce(order, Notification.Kind.LATE_MONEY_REFUNDED, cause="payment:1")

    assert order.notifications.count() == before
    assert set(order.notifications.values_list("recipient", "text", "html")) == {("", "", "")}


def test_erasing_twice_is_erasing_once(ada: Visitor) -> None:
    order = delivered(bought())

    for _ in range(2):
        assert [done.kept_because for done in ask_for_erasure([order.pk], actor="t")] == [""]

    assert order.timeline.filter(kind__in=["erased", "erasure_asked"]).count() == 2


@pytest.mark.parametrize("change", ["UPDATE", "WORD", "DELETE"])
def test_history_loses_words_of_erased_orders_and_nothing_else(change: str) -> None:
    order = bought()
    event = TimelineEvent.objects.filter(order=order).first()
    assert event is not None

    def alter() -> None:
        rows = TimelineEvent.objects.filter(pk=event.pk)
        if change == "DELETE":
            rows.delete()
        else:
            rows.update(text="(erased)" if change == "WORD" else "something else")

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        alter()
    delivered(order)
    ask_for_erasure([order.pk], actor="test")
    if change == "WORD":
        alter()
        event.refresh_from_db()
        assert event.text == "(erased)"
        return
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        alter()


def test_no_event_of_a_whole_life_holds_personal_data(ada: Visitor) -> None:
    order = delivered(bought(owner=User.objects.get()))
    announce_return(order.pk, form_key=uuid4(), lines=(), reason="for my aunt", actor="shopper")

    told = " ".join(order.timeline.values_list("text", flat=True))

    assert len(told) > 100
    assert [word for word in PERSONAL if word.lower() in told.lower()] == []


def run(*arguments: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        call_command("personal_data", *arguments)
    return out.getvalue()


def test_staff_export_and_erase_a_guest(ada: Visitor) -> None:
    ended, kept = delivered(bought()), bought()

    held = json.loads(run("export", "--email", ADA.upper()))
    assert {order["number"] for order in held["orders"]} == {ended.number, kept.number}
    told = run("erase", "--email", ADA, "--yes")

    assert "Account: deleted." in told
    assert f"{ended.number}: erased." in told
    assert f"{kept.number}: erased once it has ended (it is not shipped yet)." in told
    for model in (Account, SavedAddress, AccountMail):
        assert not model.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("export", "--email", "nobody@example.org"), "Nothing is held"),
        (("export", "--email", ""), "Nothing is held"),
        (("erase", "--email", ADA), "--yes"),
    ],
)
def test_a_command_that_cannot_be_right_says_what_to_do(
    ada: Visitor, arguments: tuple[str, ...], word: str
) -> None:
    with pytest.raises(CommandError, match=word):
        run(*arguments)
    assert Account.objects.exists()
