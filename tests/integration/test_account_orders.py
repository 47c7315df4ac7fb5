"""A shopper's orders and addresses: theirs alone, and their guest orders once they proved who
they are."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from orders.models import Order
from orders.services.ownership import claim_guest_orders
from orders.services.placement import place_order
from orders.services.shelf import receive_stock
from shop.accounts.book import MOST_ADDRESSES
from shop.models import Account, SavedAddress
from tests.integration.accounts import (
    ADA,
    MALLORY,
    PASSWORD,
    asks,
    links_in,
    post,
    prepare,
    text_of,
    with_account,
)
from tests.integration.shop_visitor import ADDRESS, Visitor, shelve
from tests.integration.shopping import command, line

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _shop(db: None, settings: Settings, tmp_path: Path) -> None:
    prepare(settings, tmp_path)


@pytest.fixture
def ada(settings: Settings) -> Visitor:
    return with_account(settings)


@pytest.fixture
def mallory(settings: Settings) -> Visitor:
    return with_account(settings, MALLORY)


def guest_order(email: str = ADA, sku: str = "MUG") -> Order:
    receive_stock(sku, 1, "test")
    order = place_order(command(line(sku), key=uuid4()))
    Order.objects.filter(pk=order.pk).update(email=email)
    order.refresh_from_db()
    return order


def user_of(email: str) -> User:
    return User.objects.get(account__email=email)


def in_cart(visitor: Visitor) -> None:
    shelve("MUG-ONE", units=5)
    visitor.buys("MUG-ONE")


BOOK = {key: value for key, value in ADDRESS.items() if key != "email"}


def test_the_checkout_fills_itself_in_and_the_order_is_the_accounts(ada: Visitor) -> None:
    asks(ada, "/account/addresses/add/", "address", **BOOK)
    in_cart(ada)

    form = ada.get("/checkout/").form("checkout")
    assert {name: form.get(name, "") for name in ADDRESS} == ADDRESS
    card = {"card_number": "4242 4242 4242 4242", "card_expiry": "12/39", "card_cvc": "123"}
    page = ada.post("/checkout/", {**form, **card}, **{"Accept-Language": "de-AT,de;q=0.9"})

    assert page.status == 303
    order = Order.objects.get()
    assert (order.customer, order.language) == (user_of(ADA), "de")
    assert order.number in ada.get("/account/orders/").words


def test_a_guests_order_is_nobodys_and_in_a_language_that_we_speak() -> None:
    guest = Visitor()
    in_cart(guest)
    spoken = {"Accept-Language": "tlh,fr;q=0.8"}

    guest.post("/checkout/", guest.checkout_form(), **spoken)

    order = Order.objects.get()
    assert (order.customer, order.language) == (None, "en")


def test_another_address_of_the_book_can_be_chosen(ada: Visitor, mallory: Visitor) -> None:
    asks(ada, "/account/addresses/add/", "address", **BOOK)
    asks(ada, "/account/addresses/add/", "address", **{**BOOK, "line1": "Dam 1"})
    in_cart(ada)
    dam = SavedAddress.objects.get(line1="Dam 1")

    assert ada.get("/checkout/").form("checkout")["line1"] == BOOK["line1"]
    assert ada.get(f"/checkout/?address={dam.pk}").form("checkout")["line1"] == "Dam 1"
    mallory.buys("MUG-ONE")
    assert mallory.get(f"/checkout/?address={dam.pk}").form("checkout").get("line1", "") == ""


def test_the_checkouts_address_is_kept_when_wanted(ada: Visitor) -> None:
    in_cart(ada)

    ada.post("/checkout/", {**ada.checkout_form(), "keep_address": "on"})

    entry = SavedAddress.objects.get()
    assert (entry.line1, entry.is_default) == (ADDRESS["line1"], True)


def test_a_guest_cannot_fill_a_book(ada: Visitor) -> None:
    guest = Visitor()
    in_cart(guest)

    assert guest.post(
        "/checkout/", {**guest.checkout_form(), "keep_address": "on"}
    ).location.startswith("/orders/")
    assert not SavedAddress.objects.exists()


def test_an_order_whose_account_is_deleted_while_it_is_placed_is_a_guests() -> None:
    receive_stock("MUG", 1, "test")
    gone = replace(command(line("MUG")), customer_id=987_654_321)

    # Within a test's transaction the database would look at foreign keys at its end only.
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    order = place_order(gone)

    assert order.customer is None


def test_guest_orders_come_into_the_account_when_it_is_opened(settings: Settings) -> None:
    mine, others = guest_order(ADA.upper()), guest_order(MALLORY)

    ada = with_account(settings)

    assert "earlier order is in it" in ada.get("/account/").words
    mine.refresh_from_db()
    others.refresh_from_db()
    assert (mine.customer, others.customer) == (user_of(ADA), None)
    assert mine.timeline.filter(kind="claimed", actor="shopper").count() == 1
    listed = ada.get("/account/orders/").words
    assert mine.number in listed
    assert others.number not in listed


def test_guest_orders_of_later_come_by_the_button(ada: Visitor) -> None:
    order = guest_order()
    page = ada.get("/account/")
    assert "1 order with your address was placed without signing in" in page.words

    for _ in range(2):
        assert ada.post("/account/orders/merge/", page.form("merge")).status == 303

    order.refresh_from_db()
    assert order.customer == user_of(ADA)
    assert order.timeline.filter(kind="claimed").count() == 1
    assert "without signing in" not in ada.get("/account/").words


def test_mallory_gets_neither_adas_orders_nor_her_guest_orders(
    ada: Visitor, mallory: Visitor
) -> None:
    guest = guest_order()
    owned = guest_order()
    Order.objects.filter(pk=owned.pk).update(customer=user_of(ADA))

    mallory.post("/account/orders/merge/", {})

    assert "Nothing ordered yet" in mallory.get("/account/orders/").words
    guest.refresh_from_db()
    owned.refresh_from_db()
    assert (guest.customer, owned.customer) == (None, user_of(ADA))


def test_an_order_of_another_account_is_never_taken(ada: Visitor, mallory: Visitor) -> None:
    """Mallory ordered with Ada's address in her own account; the order stays Mallory's."""
    order = guest_order()
    Order.objects.filter(pk=order.pk).update(customer=user_of(MALLORY))

    assert claim_guest_orders(user_of(ADA).pk, ADA) == 0

    order.refresh_from_db()
    assert order.customer == user_of(MALLORY)


def test_many_orders_are_paged(ada: Visitor) -> None:
    for number in range(12):
        guest_order(sku=f"MUG-{number}")
    ada.post("/account/orders/merge/", {})

    first, second = ada.get("/account/orders/"), ada.get("/account/orders/?page=2")
    nonsense = ada.get("/account/orders/?page=many")

    rows = "//li[@class='order-row']"
    assert [len(page.root.xpath(rows)) for page in (first, second, nonsense)] == [10, 2, 10]
    assert "Page 2 of 2" in second.words


def test_the_links_of_an_address_go_to_its_mailbox(settings: Settings) -> None:
    mine = [guest_order(ADA), guest_order(ADA.upper())]
    others = guest_order(MALLORY)

    asks(Visitor(), "/account/find-order/", "find-order", email=ADA)

    mail = post(settings)[-1]
    assert mail["To"] == ADA
    assert set(links_in(mail)) == {f"/orders/{order.token}/" for order in mine}
    assert others.number not in text_of(mail)


def test_a_number_narrows_and_a_wrong_one_is_told(settings: Settings) -> None:
    mine = [guest_order(), guest_order()]
    number = mine[0].number

    asks(Visitor(), "/account/find-order/", "find-order", email=ADA, number=number.lower())
    assert links_in(post(settings)[-1]) == [f"/orders/{mine[0].token}/"]

    Account.objects.all().delete()
    others = guest_order(MALLORY)
    settings.ACCOUNT_LINK_SECONDS = 60
    asks(Visitor(), "/account/find-order/", "find-order", email=MALLORY, number=number)
    mail = post(settings)[-1]
    assert links_in(mail) == [f"/orders/{others.token}/"]
    assert f"no order {number}" in text_of(mail)


def test_an_address_without_orders_is_told_so_by_mail(settings: Settings) -> None:
    guest_order(MALLORY)

    asks(Visitor(), "/account/find-order/", "find-order", email=ADA)

    mail = post(settings)[-1]
    assert "There are none" in text_of(mail)
    assert not any(link.startswith("/orders/") for link in links_in(mail))


def test_one_address_is_the_default_whatever_is_done(ada: Visitor) -> None:
    for street in ("One", "Two", "Three", "One"):
        asks(ada, "/account/addresses/add/", "address", **{**BOOK, "line1": street})
    entries = {entry.line1: entry.pk for entry in SavedAddress.objects.all()}
    assert len(entries) == 3

    def default() -> str:
        return SavedAddress.objects.get(is_default=True).line1

    assert default() == "One"
    ada.post(f"/account/addresses/{entries['Two']}/default/", {})
    assert default() == "Two"
    ada.post(f"/account/addresses/{entries['Two']}/delete/", {})
    assert default() == "One"
    asks(ada, f"/account/addresses/{entries['Three']}/", "address", make_default="on")
    assert default() == "Three"
    # Changed so that it is the same as another: one of both stays, and is still the default.
    asks(ada, f"/account/addresses/{entries['Three']}/", "address", line1="One")
    assert (SavedAddress.objects.count(), default()) == (1, "One")


def test_a_book_has_a_last_page(ada: Visitor) -> None:
    account = Account.objects.get()
    SavedAddress.objects.bulk_create(
        SavedAddress(account=account, **{**BOOK, "line1": str(number)})
        for number in range(MOST_ADDRESSES)
    )

    page = asks(ada, "/account/addresses/add/", "address", **BOOK)

    assert page.status == 409
    assert "Delete one" in page.words
    assert page.form("address")["line1"] == BOOK["line1"]


def test_an_address_of_somebody_else_is_not_there(ada: Visitor, mallory: Visitor) -> None:
    asks(ada, "/account/addresses/add/", "address", **BOOK)
    pk = SavedAddress.objects.get().pk

    assert mallory.get(f"/account/addresses/{pk}/").status == 404
    for action in ("", "default/"):
        assert mallory.post(f"/account/addresses/{pk}/{action}", BOOK).status == 404
    mallory.post(f"/account/addresses/{pk}/delete/", {})
    assert SavedAddress.objects.get().name == BOOK["name"]


def test_a_changed_email_brings_its_guest_orders(ada: Visitor, settings: Settings) -> None:
    order = guest_order("ada@new.example")
    asks(ada, "/account/email/", "change-email", email="ada@new.example", old_password=PASSWORD)

    asks(ada, links_in(post(settings)[-1])[0], "confirm-email")

    order.refresh_from_db()
    assert order.customer == user_of("ada@new.example")
