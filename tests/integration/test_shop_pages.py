"""The shelf and the cart, as a visitor sees them, against a real database."""

from pathlib import Path
from typing import cast

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from shop.models import Product, Variant
from tests.integration.shop_visitor import Page, Visitor, shelve


@pytest.fixture(autouse=True)
def _shop(db: None, settings: Settings, tmp_path: Path) -> None:
    # No collectstatic is needed here: files go by their plain names.
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def ada() -> Visitor:
    return Visitor()


def test_the_home_page_shows_products_and_how_few_are_left(ada: Visitor) -> None:
    shelve("MUG-ONE", units=40)
    shelve("LAMP-ONE", units=6, name="Beacon lamp")
    page = ada.get("/")
    assert page.status == 200
    assert "Only 6 left" in page.words
    assert "40" not in page.words
    assert "€ 28.00" in page.words


def test_a_look_around_leaves_no_session(ada: Visitor) -> None:
    shelve("MUG-ONE", units=40)
    for path in ("/", "/c/ceramics/", "/p/mug-one/"):
        ada.get(path)
    assert "sessionid" not in ada.client.cookies


def test_the_home_page_costs_the_same_for_two_products_as_for_twenty(
    ada: Visitor, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        shelve(f"MUG-{number}", units=40, name=f"Mug {number}")
    with django_assert_max_num_queries(4):
        ada.get("/")


def test_a_sold_out_product_cannot_be_chosen_or_bought(ada: Visitor) -> None:
    shelve("MUG-ONE", units=0)
    page = ada.get("/p/mug-one/")
    assert "Sold out" in page.words
    assert page.root.xpath("//input[@value='MUG-ONE']/@disabled")
    refused = ada.post("/cart/add/", {"sku": "MUG-ONE", "quantity": "1"})
    assert refused.status == 409
    assert "is sold out" in refused.words


@pytest.mark.parametrize("path", ["/p/nothing/", "/c/nothing/", "/nothing/", "/orders/forged/"])
def test_what_is_not_there_answers_404_in_the_shops_design(ada: Visitor, path: str) -> None:
    page = ada.get(path)
    assert page.status == 404
    assert page.root.get_element_by_id("main") is not None


def test_with_the_database_broken_a_visitor_reads_a_page_and_no_traceback() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE shop_category CASCADE")
    page = Page(cast("HttpResponse", Client(raise_request_exception=False).get("/")))
    assert page.status == 500
    assert "one order and one charge" in page.words
    assert "Traceback" not in page.text
    assert "shop_category" not in page.text


def test_an_unpublished_product_is_not_there(ada: Visitor) -> None:
    variant = shelve("MUG-ONE", units=40)
    ada.get("/p/mug-one/")
    Product.objects.filter(pk=variant.product_id).update(is_published=False)
    assert ada.get("/p/mug-one/").status == 404
    refused = ada.post("/cart/add/", {"sku": "MUG-ONE", "quantity": "1"})
    assert refused.status == 404
    assert "We do not sell this" in refused.words


@pytest.mark.parametrize("sku", ["NO-SUCH-SKU", "", "mug one", "MUG\x00"])
def test_an_unknown_sku_is_told_and_nothing_is_put_in_the_cart(ada: Visitor, sku: str) -> None:
    shelve("MUG-ONE", units=40)
    ada.get("/p/mug-one/")
    assert ada.post("/cart/add/", {"sku": sku, "quantity": "1"}).status == 404
    assert "nothing in it yet" in ada.get("/cart/").words


@pytest.mark.parametrize("quantity", ["-1", "0", "abc", "", "21", "1.5", "9" * 400])
def test_a_nonsense_quantity_is_told_beside_the_form(ada: Visitor, quantity: str) -> None:
    shelve("MUG-ONE", units=40)
    page = ada.buys("MUG-ONE", quantity)
    assert page.status == 400
    assert page.root.get_element_by_id("buy-problem").text_content()
    assert "nothing in it yet" in ada.get("/cart/").words


def test_a_nonsense_quantity_in_the_cart_changes_nothing(ada: Visitor) -> None:
    shelve("MUG-ONE", units=40)
    ada.buys("MUG-ONE", 2)
    page = ada.post("/cart/update/", {"sku": "MUG-ONE", "quantity": "-4"})
    assert page.status == 400
    assert "-4 is too few" in page.words
    assert "€ 56.00" in ada.get("/cart/").words


def test_the_cart_can_be_changed_and_emptied_without_scripts(ada: Visitor) -> None:
    shelve("MUG-ONE", units=40)
    added = ada.buys("MUG-ONE", 2)
    assert (added.status, added.location) == (303, "/cart/")
    assert ada.post("/cart/update/", {"sku": "MUG-ONE", "quantity": "5"}).status == 303
    assert "€ 140.00" in ada.get("/cart/").words
    assert ada.post("/cart/remove/", {"sku": "MUG-ONE"}).status == 303
    assert "nothing in it yet" in ada.get("/cart/").words


def test_htmx_gets_the_cart_and_the_count_and_no_page_around_them(ada: Visitor) -> None:
    shelve("MUG-ONE", units=40)
    ada.buys("MUG-ONE", 2)
    part = ada.post("/cart/update/", {"sku": "MUG-ONE", "quantity": "3"}, HX_Request="true")
    assert part.status == 200
    assert "<html" not in part.text
    assert 'id="cart"' in part.text
    assert "hx-swap-oob" in part.text
    assert "€ 84.00" in part.words


def test_a_price_that_changed_is_told_by_name_with_old_and_new(ada: Visitor) -> None:
    shelve("MUG-ONE", units=40)
    ada.buys("MUG-ONE", 2)
    Variant.objects.update(price_cents=3100)
    for path in ("/cart/", "/checkout/"):
        page = ada.get(path)
        assert "The price of Tide mug has changed" in page.words
        assert "it was € 28.00 and is now € 31.00" in page.words
        assert "€ 62.00" in page.words


def test_what_was_withdrawn_is_named_and_can_be_removed(ada: Visitor) -> None:
    variant = shelve("MUG-ONE", units=40)
    ada.buys("MUG-ONE")
    Product.objects.filter(pk=variant.product_id).update(is_published=False)
    assert "Tide mug is no longer sold" in ada.get("/cart/").words
    ada.post("/cart/remove/", {"sku": "MUG-ONE"})
    assert "no longer sold" not in ada.get("/cart/").words


def test_a_form_without_its_token_is_refused_with_a_page_that_says_what_to_do() -> None:
    mallory = Visitor()
    page = mallory.post("/cart/add/", {"sku": "MUG-ONE", "quantity": "1"})
    assert page.status == 403
    assert "Allow cookies" in page.words


def test_forms_cannot_be_sent_by_following_a_link(ada: Visitor) -> None:
    paths = ("/cart/add/", "/cart/update/", "/cart/remove/", "/orders/x/card/")
    assert [ada.get(path).status for path in paths] == [405, 405, 405, 405]
