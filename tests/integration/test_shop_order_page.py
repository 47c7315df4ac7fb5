"""The order page behind its secret link."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from orders.models import Order, Payment
from tests.integration.shop_visitor import GOOD_CARD, Page, Visitor, shelve


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
    """Has just ordered one mug."""
    shelve("MUG-ONE", units=40)
    visitor = Visitor()
    visitor.buys("MUG-ONE")
    visitor.post("/checkout/", visitor.checkout_form())
    return visitor


def address() -> str:
    return f"/orders/{Order.objects.get().token}/"


def decline() -> None:
    """As the payment worker leaves a declined order."""
    Payment.objects.update(status="declined", decline_message="The bank said no.")
    Order.objects.update(status="payment_failed")


def retry(visitor: Visitor, **typed: str) -> Page:
    form = visitor.get(address()).form("retry-card")
    card = {"card_number": GOOD_CARD, "card_expiry": "12/39", "card_cvc": "123"}
    return visitor.post(f"{address()}card/", {**form, **card, **typed})


def test_a_stranger_with_the_link_sees_it_and_nobody_keeps_it(ada: Visitor) -> None:
    page = Visitor().get(address())
    assert page.status == 200
    assert Order.objects.get().number in page.words
    assert "no-store" in page.response["Cache-Control"]
    assert "noindex" in page.response["X-Robots-Tag"]
    assert page.root.xpath("//meta[@name='robots' and contains(@content, 'noindex')]")


def test_a_forged_link_shows_nothing_and_says_what_to_do(ada: Visitor) -> None:
    for path in ("/orders/forged/", "/orders/forged/progress/", f"{address()[:-2]}/"):
        page = ada.get(path)
        assert page.status == 404
        assert "open the one in your mail" in page.words
    assert ada.post("/orders/forged/card/", {}).status == 404


def test_it_asks_again_while_pending_with_and_without_scripts(ada: Visitor) -> None:
    page = ada.get(address())
    part = page.root.get_element_by_id("progress")
    assert part.get("data-pending") == "true"
    assert part.get("hx-trigger") == "every 1s"
    assert page.root.xpath("//noscript/meta[@http-equiv='refresh']")
    assert ada.get(str(part.get("hx-get"))).status == 204


def test_news_come_as_a_part_with_a_new_headline(ada: Visitor) -> None:
    asked = str(ada.get(address()).root.get_element_by_id("progress").get("hx-get"))
    Payment.objects.update(status="unknown")
    part = ada.get(asked)
    assert part.status == 200
    assert "<html" not in part.text
    assert "you will not be charged twice" in part.words
    assert "We ask it again until it answers" in part.words
    assert "innerHTML:#order-headline" in part.text


def test_it_stops_asking_when_nothing_is_pending(ada: Visitor) -> None:
    decline()
    page = ada.get(address())
    part = page.root.get_element_by_id("progress")
    assert part.get("data-pending") == "false"
    assert part.get("hx-trigger") is None
    assert not page.root.xpath("//noscript/meta")


def test_a_declined_card_can_be_followed_by_another_one(ada: Visitor) -> None:
    decline()
    assert "The bank said no." in ada.get(address()).words
    answer = retry(ada)
    assert (answer.status, answer.location) == (303, address())
    assert Payment.objects.count() == 2
    assert Order.objects.get().status == "placed"


def test_the_second_card_submitted_twice_is_one_payment(ada: Visitor) -> None:
    decline()
    form = {
        **ada.get(address()).form("retry-card"),
        "card_number": GOOD_CARD,
        "card_expiry": "12/39",
        "card_cvc": "123",
    }
    answers = [ada.post(f"{address()}card/", form) for _ in range(2)]
    assert [answer.status for answer in answers] == [303, 303]
    assert Payment.objects.count() == 2


def test_a_mistyped_second_card_is_told_at_its_field(ada: Visitor) -> None:
    decline()
    page = retry(ada, card_number="4242", card_cvc="")
    assert page.status == 422
    assert page.ids_with_errors() == {"card_number", "card_cvc"}
    assert Payment.objects.count() == 1


def test_a_second_card_without_a_key_charges_nothing(ada: Visitor) -> None:
    decline()
    assert retry(ada, idempotency_key="nonsense").status == 400
    assert Payment.objects.count() == 1


def test_an_order_that_waits_for_no_card_takes_none(ada: Visitor) -> None:
    decline()
    form = ada.get(address()).form("retry-card")
    Order.objects.update(hold_expires_at=timezone.now() - timedelta(seconds=1))
    card = {"card_number": GOOD_CARD, "card_expiry": "12/39", "card_cvc": "123"}
    page = ada.post(f"{address()}card/", {**form, **card})
    assert page.status == 409
    assert "not waiting for a card" in page.words
    assert not page.root.xpath("//form[@id='retry-card']")
    assert Payment.objects.count() == 1
