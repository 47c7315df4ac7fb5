"""The checkout's form: whatever is done to it, one cart becomes one order."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection
from pytest_django import Settings

from orders.models import Order
from orders.selectors import available
from shop.models import Variant
from tests.integration.shop_visitor import ADDRESS, Page, Visitor, filled, shelve, statuses

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _shop(transactional_db: None, settings: Settings, tmp_path: Path) -> None:
    # No collectstatic is needed here: files go by their plain names.
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def ada() -> Visitor:
    """Has two mugs in her cart."""
    shelve("MUG-ONE", units=40)
    visitor = Visitor()
    visitor.buys("MUG-ONE", 2)
    return visitor


def order_page(page: Page) -> str:
    assert page.status == 303, page.words
    assert page.location.startswith("/orders/")
    return page.location


def test_a_cart_becomes_an_order_and_is_empty_then(ada: Visitor) -> None:
    address = order_page(ada.post("/checkout/", ada.checkout_form()))
    order = Order.objects.get()
    assert address == f"/orders/{order.token}/"
    assert (order.total_cents, order.email, order.ship_to_country) == (
        5600,
        ADDRESS["email"],
        "NL",
    )
    assert "nothing in it yet" in ada.get("/cart/").words


def test_reload_and_a_second_tab_carry_the_same_key(ada: Visitor) -> None:
    first, reloaded = ada.checkout_form(), ada.checkout_form()
    assert ada.key_of(first) == ada.key_of(reloaded)


def test_resubmitting_lands_on_the_same_order_though_the_cart_is_empty(ada: Visitor) -> None:
    form = ada.checkout_form()
    first = order_page(ada.post("/checkout/", form))
    assert order_page(ada.post("/checkout/", form)) == first
    assert order_page(ada.post("/checkout/", {**form, "email": "nonsense"})) == first
    assert Order.objects.count() == 1


def test_twenty_submits_at_once_are_one_order(ada: Visitor) -> None:
    form = ada.checkout_form()

    def submit(_: int) -> Page:
        try:
            return Visitor(ada.client.cookies).post("/checkout/", form)
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        pages = list(pool.map(submit, range(20), timeout=60))
    assert statuses(pages) == {303}
    assert {page.location for page in pages} == {f"/orders/{Order.objects.get().token}/"}
    assert available(["MUG-ONE"]) == {"MUG-ONE": 38}
    assert "nothing in it yet" in ada.get("/cart/").words


def test_the_next_cart_has_a_key_of_its_own(ada: Visitor) -> None:
    form = ada.checkout_form()
    first = order_page(ada.post("/checkout/", form))
    ada.buys("MUG-ONE")
    again = ada.checkout_form()
    assert again["idempotency_key"] != form["idempotency_key"]
    # The old page, sent once more, must neither order again nor empty the new cart.
    assert order_page(ada.post("/checkout/", form)) == first
    assert order_page(ada.post("/checkout/", again)) != first
    assert Order.objects.count() == 2


def test_an_old_session_written_back_after_the_order_gets_a_new_key(ada: Visitor) -> None:
    form = ada.checkout_form()
    before = dict(ada.client.session)
    order_page(ada.post("/checkout/", form))
    # Another tab's slow 'add to cart' saves the session as it was before the order.
    session = ada.client.session
    session.update(before)
    session.save()
    assert ada.checkout_form()["idempotency_key"] != form["idempotency_key"]


@pytest.mark.parametrize("key", ["", "nonsense", "00000000-0000-0000-0000", "\x00"])
def test_a_malformed_key_draws_the_page_again_with_a_good_one(ada: Visitor, key: str) -> None:
    page = ada.post("/checkout/", {**ada.checkout_form(), "idempotency_key": key})
    assert page.status == 400
    assert "nothing was ordered" in page.words
    assert page.root.xpath("//input[@name='email']/@value") == [ADDRESS["email"]]
    order_page(ada.post("/checkout/", filled(page)))


def test_a_key_that_is_not_this_carts_orders_nothing(ada: Visitor) -> None:
    page = ada.post("/checkout/", {**ada.checkout_form(), "idempotency_key": str(uuid4())})
    assert page.status == 409
    assert not Order.objects.exists()


def test_a_price_that_changed_after_the_page_was_drawn_is_told_first(ada: Visitor) -> None:
    form = ada.checkout_form()
    Variant.objects.update(price_cents=3100)
    page = ada.post("/checkout/", form)
    assert page.status == 409
    assert "Tide mug now costs € 31.00; the page showed € 28.00" in page.words
    assert not Order.objects.exists()
    order_page(ada.post("/checkout/", filled(page)))
    assert Order.objects.get().total_cents == 6200


def test_a_cart_changed_in_another_tab_is_told_first(ada: Visitor) -> None:
    form = ada.checkout_form()
    shelve("BOWL-ONE", units=5, name="Harbour bowl")
    ada.buys("BOWL-ONE")
    ada.post("/cart/update/", {"sku": "MUG-ONE", "quantity": "7"})
    page = ada.post("/checkout/", form)
    assert page.status == 409
    assert "Harbour bowl was added" in page.words
    assert "now holds 7 of Tide mug, not 2" in page.words
    assert not Order.objects.exists()


@pytest.mark.parametrize("seen", ["", "MUG-ONE~2", "MUG-ONE~2~1"])
def test_a_forged_promise_does_not_buy_at_another_price(ada: Visitor, seen: str) -> None:
    page = ada.post("/checkout/", {**ada.checkout_form(), "seen": seen})
    assert page.status == 409
    assert not Order.objects.exists()


def test_mistakes_are_told_at_their_fields_and_what_was_typed_stays(ada: Visitor) -> None:
    form = {**ada.checkout_form("4111"), "email": "ada@", "city": "", "card_cvc": "77777"}
    page = ada.post("/checkout/", form)
    assert page.status == 422
    assert page.ids_with_errors() == {"email", "city", "card_number", "card_cvc"}
    assert page.root.xpath("//input[@name='email']/@value") == ["ada@"]
    assert page.root.xpath("//input[@name='name']/@value") == [ADDRESS["name"]]
    assert not page.root.xpath("//input[@name='card_number' or @name='card_cvc']/@value")
    assert "77777" not in page.text
    for field in page.root.xpath("//*[@aria-invalid='true']"):
        described_by = str(field.get("aria-describedby")).split()[-1]
        assert page.root.get_element_by_id(described_by).text_content().strip()


def test_nothing_of_the_card_is_kept_in_the_session(ada: Visitor) -> None:
    ada.post("/checkout/", {**ada.checkout_form(), "email": ""})
    ada.post("/checkout/", ada.checkout_form())
    assert "4242" not in str(dict(ada.client.session))


def test_too_little_stock_names_the_line_and_what_is_left(ada: Visitor) -> None:
    shelve("LAMP-ONE", units=3, name="Beacon lamp")
    ada.buys("LAMP-ONE", 5)
    page = ada.post("/checkout/", ada.checkout_form())
    assert page.status == 409
    assert "Beacon lamp: you asked for 5, only 3 left" in page.words
    assert page.root.xpath("//*[@data-short='LAMP-ONE']/@data-left") == ["3"]
    assert not Order.objects.exists()
    assert available(["LAMP-ONE", "MUG-ONE"]) == {"LAMP-ONE": 3, "MUG-ONE": 40}


def test_taking_what_is_left_keeps_what_was_typed_but_the_card(ada: Visitor) -> None:
    shelve("LAMP-ONE", units=3, name="Beacon lamp")
    ada.buys("LAMP-ONE", 5)
    form = ada.checkout_form()
    ada.post("/checkout/", form)
    page = ada.post("/checkout/", {**form, "take": "LAMP-ONE"})
    assert page.status == 200
    assert page.root.xpath("//input[@name='city']/@value") == [ADDRESS["city"]]
    assert "4242 4242 4242 4242" not in str(page.root.xpath("//input/@value"))
    order_page(ada.post("/checkout/", filled(page)))
    assert available(["LAMP-ONE"]) == {"LAMP-ONE": 0}


def test_a_short_line_can_be_removed_on_the_checkout_page(ada: Visitor) -> None:
    shelve("LAMP-ONE", units=1, name="Beacon lamp")
    ada.buys("LAMP-ONE", 2)
    page = ada.post("/checkout/", {**ada.checkout_form(), "remove": "LAMP-ONE"})
    order_page(ada.post("/checkout/", filled(page)))
    assert Order.objects.get().total_cents == 5600


def test_enter_presses_pay_and_not_a_button_that_changes_the_cart(ada: Visitor) -> None:
    shelve("LAMP-ONE", units=1, name="Beacon lamp")
    ada.buys("LAMP-ONE", 2)
    page = ada.post("/checkout/", ada.checkout_form())
    first_button = page.root.xpath("//form[@id='checkout']//button")[0]
    assert first_button.get("name") is None


def test_an_empty_cart_cannot_be_checked_out(ada: Visitor) -> None:
    form = ada.checkout_form()
    ada.post("/cart/remove/", {"sku": "MUG-ONE"})
    assert (ada.get("/checkout/").status, ada.get("/checkout/").location) == (303, "/cart/")
    page = ada.post("/checkout/", form)
    assert page.status == 409
    assert "Your cart is empty" in page.words
