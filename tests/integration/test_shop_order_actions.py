"""What a shopper does on the order's page: cancel, send back, go to the bank and come back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from pytest_django import Settings

from orders.models import Order, OrderLine, Refund, Return
from orders.states import OrderStatus, PaymentStatus, ReturnStatus
from tasks.models import OutboxMessage
from tests.integration import order_lives as lives
from tests.integration.sandbox_server import SandboxServer
from tests.integration.shop_visitor import Page, Visitor


@pytest.fixture(autouse=True)
def _shop(db: None, settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def alice() -> Visitor:
    return Visitor()


def at(order: Order, more: str = "") -> str:
    return f"/orders/{order.token}/{more}"


def status_of(order: Order) -> str:
    return Order.objects.values_list("status", flat=True).get(pk=order.pk)


# -- cancelling -------------------------------------------------------------------------------
def cancel(visitor: Visitor, order: Order) -> Page:
    form = visitor.get(at(order, "cancel/")).form("cancel")
    return visitor.post(at(order, "cancel/"), form)


def test_cancelling_says_first_what_happens_to_the_money(alice: Visitor) -> None:
    unpaid, paid = lives.placed(), lives.paid()
    asked = lives.placed()
    asked.payments.update(asked_at=asked.placed_at, status=PaymentStatus.UNKNOWN)
    for order, words in (
        (unpaid, "Nothing was charged, and nothing will be."),
        (paid, "We send € 75.00 back to Visa ·· 4242."),
        (asked, "If it takes the money all the same, all of it goes back to your card by itself."),
    ):
        page = alice.get(at(order, "cancel/"))
        assert page.status == 200
        assert words in page.words
        assert "2 × Thing MUG" in page.words
        assert status_of(order) != OrderStatus.CANCELLED


def test_a_cancelled_order_gives_back_everything_once(alice: Visitor) -> None:
    order = lives.confirmed()
    form = alice.get(at(order, "cancel/")).form("cancel")
    answers = [alice.post(at(order, "cancel/"), form) for _ in range(2)]
    assert [(answer.status, answer.location) for answer in answers] == [(303, at(order))] * 2
    assert status_of(order) == OrderStatus.CANCELLED
    assert Refund.objects.get().amount_cents == 7_500


def test_what_was_promised_about_the_money_still_holds_when_the_button_is_pressed(
    alice: Visitor,
) -> None:
    order = lives.placed()
    form = alice.get(at(order, "cancel/")).form("cancel")
    lives.ask_bank(order)
    page = alice.post(at(order, "cancel/"), form)
    assert page.status == 409
    assert "Meanwhile something has changed, so nothing was cancelled yet" in page.words
    assert "We send € 75.00 back" in page.words
    assert status_of(order) == OrderStatus.PAID
    assert alice.post(at(order, "cancel/"), page.form("cancel")).status == 303
    assert status_of(order) == OrderStatus.CANCELLED


def test_a_parcel_on_its_way_cannot_be_cancelled_and_the_page_says_what_to_do(
    alice: Visitor,
) -> None:
    order = lives.confirmed()
    form = alice.get(at(order, "cancel/")).form("cancel")
    lives.ship(order)
    page = alice.post(at(order, "cancel/"), form)
    assert page.status == 409
    assert "cannot be cancelled any more" in page.words
    assert "can be sent back" in page.words
    assert page.root.xpath("//a[@id='send-back']")
    assert alice.get(at(order, "cancel/")).status == 303
    assert not Refund.objects.exists()


# -- sending back -----------------------------------------------------------------------------
def return_form(visitor: Visitor, order: Order, **quantities: int) -> dict[str, str]:
    """The form with so many units of each SKU chosen."""
    form = visitor.get(at(order, "return/")).form("return")
    lines = {line.sku: line.pk for line in OrderLine.objects.filter(order=order)}
    return form | {f"line-{lines[sku]}": str(number) for sku, number in quantities.items()}


def test_a_return_is_announced_and_the_page_says_where_it_goes(
    alice: Visitor, settings: Settings
) -> None:
    settings.SHOP_ADDRESS = "Tidemark, Quay 1, 28195 Bremen"
    order = lives.delivered()
    form = return_form(alice, order, MUG=1) | {"reason": "chipped"}
    answer = alice.post(at(order, "return/"), form)
    assert (answer.status, answer.location) == (303, at(order, "#returns"))
    announced = Return.objects.get()
    assert (announced.reason, announced.status) == ("chipped", ReturnStatus.ANNOUNCED)
    assert [(item.line.sku, item.quantity) for item in announced.lines.all()] == [("MUG", 1)]
    page = alice.get(at(order))
    assert f"{order.number} and return {announced.pk} into the parcel and send it to" in page.words
    assert "28195 Bremen" in page.words


def test_a_return_sent_twice_is_one_return(alice: Visitor) -> None:
    order = lives.delivered()
    form = return_form(alice, order, MUG=2, BOWL=1)
    answers = [alice.post(at(order, "return/"), form) for _ in range(2)]
    assert [answer.status for answer in answers] == [303, 303]
    assert Return.objects.get().lines.count() == 2


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"MUG": 0}, "Choose at least one thing that you send back."),
        ({"MUG": 3}, "At most 2 of these can come back."),
        ({"MUG": -1}, "At most 2 of these can come back."),
    ],
)
def test_a_return_of_nothing_or_of_too_much_is_told_and_keeps_what_was_typed(
    alice: Visitor, chosen: dict[str, int], told: str
) -> None:
    order = lives.delivered()
    form = return_form(alice, order, **chosen) | {"reason": "too blue"}
    page = alice.post(at(order, "return/"), form)
    assert page.status == 422
    assert told in page.words
    kept = page.form("return")
    assert (kept["reason"], kept["form_key"]) == ("too blue", form["form_key"])
    assert not Return.objects.exists()


def test_a_return_without_a_key_announces_nothing(alice: Visitor) -> None:
    order = lives.delivered()
    form = return_form(alice, order, MUG=1) | {"form_key": "nonsense"}
    page = alice.post(at(order, "return/"), form)
    assert page.status == 400
    assert "nothing was announced" in page.words
    assert not Return.objects.exists()


def test_the_same_units_cannot_be_announced_in_two_tabs(alice: Visitor) -> None:
    order = lives.delivered()
    tabs = [return_form(alice, order, MUG=2, BOWL=1) for _ in range(2)]
    assert alice.post(at(order, "return/"), tabs[0]).status == 303
    page = alice.post(at(order, "return/"), tabs[1])
    assert page.status == 409
    assert "nothing was announced" in page.words
    assert Return.objects.count() == 1


def test_what_was_never_sent_cannot_come_back(alice: Visitor) -> None:
    order = lives.confirmed()
    assert alice.get(at(order, "return/")).location == at(order)
    sent = {"form_key": "6f1b4c2e-0f0d-4c55-9c6c-0d6b1b0a7d11"}
    assert alice.post(at(order, "return/"), sent).status == 403  # no form was seen, no CSRF token
    alice.get(at(order, "cancel/"))
    assert alice.post(at(order, "return/"), sent).status == 409
    assert not Return.objects.exists()


def test_a_return_is_called_off_once_and_its_units_can_be_announced_again(alice: Visitor) -> None:
    announced = lives.announced()
    order = announced.order
    alice.get(at(order))
    off = at(order, f"return/{announced.pk}/withdraw/")
    assert [alice.post(off, {}).status for _ in range(2)] == [303, 303]
    assert "You keep the things" in alice.get(at(order)).words
    assert alice.post(at(order, "return/"), return_form(alice, order, MUG=2)).status == 303


def test_a_return_that_came_is_not_called_off_any_more(alice: Visitor) -> None:
    announced = lives.announced()
    alice.get(at(announced.order))
    lives.received(announced)
    off = at(announced.order, f"return/{announced.pk}/withdraw/")
    assert alice.post(off, {}).status == 303
    assert Return.objects.get().status == ReturnStatus.RECEIVED
    assert "Your parcel is here" in alice.get(at(announced.order)).words


# -- the bank ---------------------------------------------------------------------------------
def captures_waiting() -> int:
    return OutboxMessage.objects.filter(task="orders.capture_payment").count()


def test_the_way_to_the_bank_works_without_scripts_and_tells_it_nothing(alice: Visitor) -> None:
    order = lives.checked()
    link = alice.get(at(order)).root.get_element_by_id("continue-to-bank")
    assert link.get("href") == order.payments.get().redirect_url
    assert "noreferrer" in link.get("rel")


@pytest.mark.parametrize("is_me", [True, False])
def test_coming_back_from_the_bank_asks_it_once_and_believes_no_address(
    alice: Visitor, bank: SandboxServer, is_me: bool
) -> None:
    order = lives.checked()
    back = urlsplit(lives.visit_bank(order, bank, is_me=is_me))
    assert back.path == at(order)
    OutboxMessage.objects.all().delete()

    answers = [alice.get(f"{back.path}?{back.query}") for _ in range(3)]

    assert [(answer.status, answer.location) for answer in answers] == [(303, at(order))] * 3
    assert captures_waiting() == 1
    assert "We are asking it for its answer" in alice.get(at(order)).words
    assert "We are asking it for its answer" not in alice.get(at(order)).words
    lives.ask_bank(order)
    words = alice.get(at(order)).words
    assert ("Paid with Visa" if is_me else "could not make sure") in words


def test_an_address_that_claims_success_pays_nothing(alice: Visitor) -> None:
    order = lives.checked()
    alice.get(at(order, "?payment_intent=pi_forged&redirect_status=succeeded"))
    lives.ask_bank(order)
    assert order.payments.get().status == PaymentStatus.ACTION_REQUIRED
    done = lives.confirmed()
    OutboxMessage.objects.all().delete()
    assert alice.get(at(done, "?redirect_status=failed")).location == at(done)
    assert captures_waiting() == 0


def test_another_card_instead_of_the_bank(alice: Visitor) -> None:
    order = lives.checked()
    form = alice.get(at(order)).form("leave-bank")
    OutboxMessage.objects.all().delete()
    answers = [alice.post(at(order, "other-card/"), form) for _ in range(2)]
    assert [answer.status for answer in answers] == [303, 303]
    assert captures_waiting() == 1
    assert OutboxMessage.objects.get().kwargs["give_up"] is True
    assert "We are telling your bank to stop" in alice.get(at(order)).words


def test_the_time_that_is_left_is_told_without_touching_the_card_form(alice: Visitor) -> None:
    order = lives.declined()
    page = alice.get(at(order))
    assert page.root.get_element_by_id("progress").get("hx-trigger") is None
    left = page.root.get_element_by_id("hold-left")
    assert (left.get("hx-get"), left.get("hx-trigger")) == (at(order, "hold/"), "every 20s")
    part = alice.get(at(order, "hold/"))
    assert "kept for you for 14 more minutes" in part.words
    assert "<form" not in part.text
    lives.end_hold(order)
    assert alice.get(at(order, "hold/")).response["HX-Refresh"] == "true"


# -- strangers, and a database that is busy -----------------------------------------------------
def test_without_the_secret_nothing_is_shown_and_nothing_done(alice: Visitor) -> None:
    announced = lives.announced()
    mallory = Visitor()
    other = lives.confirmed()
    mallory.get(at(other, "cancel/"))
    for path in ("", "progress/", "hold/", "cancel/", "return/"):
        assert mallory.get(f"/orders/forged/{path}").status == 404
    for path in ("card/", "other-card/", "cancel/", "return/"):
        assert mallory.post(f"/orders/forged/{path}", {}).status == 404
    # With a secret of her own she cannot reach into another order.
    assert mallory.post(at(other, f"return/{announced.pk}/withdraw/"), {}).status == 404
    assert Return.objects.get().status == ReturnStatus.ANNOUNCED


def test_nothing_is_done_by_following_a_link(alice: Visitor) -> None:
    order = lives.checked()
    for path in ("card/", "other-card/", "return/1/withdraw/"):
        assert alice.get(at(order, path)).status == 405
    alice.get(at(order, "cancel/"))
    assert status_of(order) == OrderStatus.PLACED


def test_no_page_of_an_order_is_kept_by_anybody(alice: Visitor) -> None:
    order = lives.confirmed()
    for path in ("", "progress/", "hold/", "cancel/"):
        answer = alice.get(at(order, path)).response
        assert "no-store" in answer["Cache-Control"]
        assert "noindex" in answer["X-Robots-Tag"]


@pytest.mark.django_db(transaction=True)
def test_a_busy_order_is_left_as_it_is_and_says_so(alice: Visitor) -> None:
    order = lives.confirmed()
    delivered = lives.announced().order
    cancelling = alice.get(at(order, "cancel/")).form("cancel")
    returning = return_form(alice, delivered, BOWL=1)
    withdrawing = at(delivered, f"return/{Return.objects.get().pk}/withdraw/")
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 100")
    with somebody_else_at_work_on(order, delivered):
        pages = [
            alice.post(at(order, "cancel/"), cancelling),
            alice.post(at(delivered, "return/"), returning),
            alice.post(withdrawing, {}),
        ]
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")
    assert [page.status for page in pages] == [503] * 3
    assert all(page.root.xpath("//*[@role='alert']") for page in pages)
    assert pages[0].form("cancel")["promise"] == cancelling["promise"]
    assert pages[1].form("return") == returning | {
        "csrfmiddlewaretoken": pages[1].form("return")["csrfmiddlewaretoken"]
    }
    assert status_of(order) == OrderStatus.PAID
    assert Return.objects.get().status == ReturnStatus.ANNOUNCED


@contextmanager
def somebody_else_at_work_on(*orders: Order) -> Iterator[None]:
    """Another connection holds the rows of these orders."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            ids = [order.pk for order in orders]
            cursor.execute("SELECT 1 FROM orders_order WHERE id = ANY(%s) FOR UPDATE", [ids])
        yield
    finally:
        other.rollback()
        other.close()
