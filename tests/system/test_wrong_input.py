"""Nonsense gets a clear message and a proper status, loses nothing and shows no traceback."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from ops.demo.browser import Browser, Page, fill
from tests.system.shop_floor import ShopFloor

pytestmark = pytest.mark.stack

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sku(shop: ShopFloor) -> str:
    name = f"WRONG-{uuid4().hex[:8].upper()}"
    shop.add_product(name, units=5)
    return name


def words(page: Page) -> str:
    text = " ".join(page.document.text_content().split())
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"sku": "NO-SUCH-THING"}, 404),
        ({"sku": ""}, 404),
        ({"sku": "\x00'; --"}, 404),
        ({"quantity": "-1"}, 400),
        ({"quantity": "0"}, 400),
        ({"quantity": "a few"}, 400),
        ({"quantity": "99999999999999999999"}, 400),
        ({"quantity": "1.5"}, 400),
    ],
)
def test_nonsense_in_the_cart_form_is_refused_in_words(
    shop: ShopFloor, sku: str, changes: dict[str, str], status: int
) -> None:
    with Browser(shop.url) as browser:
        form = fill(browser.get(f"/p/{sku.lower()}/"), "add-to-cart", sku=sku, quantity="1")
        form.fields.update(changes)

        answer = browser.submit(form)

        assert answer.status == status, words(answer)
        assert answer.texts("//h1")
        assert "There is nothing in it yet" in words(browser.get("/cart/"))


def test_a_price_changed_since_the_page_was_drawn_is_told_and_nothing_is_ordered(
    shop: ShopFloor, sku: str
) -> None:
    with Browser(shop.url) as browser:
        form = shop.filled_checkout(browser, sku)
        shop.python(
            "from shop.models import Variant\n"
            f"Variant.objects.filter(sku={sku!r}).update(price_cents=2_500)"
        )

        answer = browser.submit(form)

        assert answer.status == 409
        assert "20.00" in words(answer)
        assert "25.00" in words(answer)
        assert shop.ask(f"Order.objects.filter(lines__sku={sku!r}).count()") == 0
        again = fill(
            answer,
            "checkout",
            **{name: form.fields[name] for name in ("card_number", "card_expiry", "card_cvc")},
        )
        assert again.fields["city"] == "Bremen"
        assert "/orders/" in browser.submit(again).url


def test_a_forged_order_link_is_not_found(shop: ShopFloor) -> None:
    with Browser(shop.url) as browser:
        for token in ("a", "x" * 32, "1", "%00", "..%2Fadmin"):
            assert browser.get(f"/orders/{token}/").status == 404


def test_a_form_without_its_csrf_token_is_explained(shop: ShopFloor, sku: str) -> None:
    with Browser(shop.url) as browser:
        form = shop.filled_checkout(browser, sku)
        del form.fields["csrfmiddlewaretoken"]

        answer = browser.submit(form)

    assert answer.status == 403
    assert "Traceback" not in words(answer)


@pytest.mark.parametrize("key", ["", "not-a-key", "{}", "0" * 64])
def test_a_malformed_idempotency_key_orders_nothing(shop: ShopFloor, sku: str, key: str) -> None:
    with Browser(shop.url) as browser:
        form = shop.filled_checkout(browser, sku)
        form.fields["idempotency_key"] = key

        answer = browser.submit(form)

    assert answer.status == 400
    assert shop.stock(sku) == (5, 0)


def test_a_visitor_cannot_see_the_back_office(shop: ShopFloor) -> None:
    answer = httpx.get(f"{shop.url}/admin/orders/order/", timeout=10)

    assert answer.status_code == 302
    assert "/admin/login/" in answer.headers["location"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        ({"DATABASE_URL": "mysql://h/d"}, "DATABASE_URL must start with postgres://"),
        ({"LOCK_REDIS_URLS": "redis://"}, "LOCK_REDIS_URLS names no host"),
        ({"HOLD_SECONDS": "soon"}, "HOLD_SECONDS='soon' is not a number"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL=LOUD is no level"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_clear_line(
    shop: ShopFloor, changes: dict[str, str], complaint: str
) -> None:
    answer = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=CHECKOUT,
        env={**os.environ, **shop.stack.environment, **changes},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert answer.returncode == 2
    assert complaint in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_database_that_is_away_shows_a_kind_page_and_the_shop_comes_back(
    shop: ShopFloor, sku: str
) -> None:
    shop.stack.stop_part("postgres")
    try:
        answer = httpx.get(f"{shop.url}/p/{sku.lower()}/", timeout=30)
        assert answer.status_code == 503
        assert "Traceback" not in answer.text
        assert "<h1" in answer.text
        assert httpx.get(f"{shop.url}/readyz", timeout=30).status_code == 503
        assert httpx.get(f"{shop.url}/healthz", timeout=30).status_code == 200
    finally:
        shop.stack.start_part("postgres")

    with Browser(shop.url) as browser:
        page = browser.submit(shop.filled_checkout(browser, sku))
        end = shop.finished(browser, page.url, seconds=90)
    assert "You have mail" in end.texts("//*[@data-step='mail']")[0]
