"""What staff and the people on call see of the running shop."""

import json
import subprocess
import sys

import httpx
import pytest

from ops.demo.browser import Browser, fill
from tests.system.shop_floor import ShopFloor, until

pytestmark = pytest.mark.stack

LISTS = (
    *("orders/order", "orders/payment", "orders/notification", "orders/stockitem"),
    *("orders/stockmovement", "tasks/outboxmessage", "tasks/deadletter"),
    *("tasks/deadletteraction", "tasks/breakerstate"),
    *("shop/product", "shop/category", "auth/user"),
)

_TWO_DAYS_AGO = """
from datetime import timedelta
from django.utils import timezone
from tasks.models import OutboxMessage
long_ago = timezone.now() - timedelta(days=2)
OutboxMessage.objects.filter(subject={subject!r}).update(first_enqueued_at=long_ago)
"""


@pytest.fixture
def staff(shop: ShopFloor) -> Browser:
    user, password = shop.stack.staff_login
    browser = Browser(shop.url)
    page = browser.get("/admin/login/")
    browser.submit(fill(page, "login-form", username=user, password=password))
    return browser


@pytest.mark.parametrize("path", LISTS)
def test_every_list_of_the_back_office_opens(staff: Browser, path: str) -> None:
    with staff:
        page = staff.get(f"/admin/{path}/")

        assert page.status == 200
        assert "/login/" not in page.url


def test_nobody_adds_changes_or_deletes_an_order_by_hand(staff: Browser, shop: ShopFloor) -> None:
    with staff:
        assert staff.get("/admin/orders/order/add/").status == 403
        assert staff.get("/admin/tasks/outboxmessage/add/").status == 403


def test_flower_is_behind_its_own_login_and_sees_every_class_of_worker(shop: ShopFloor) -> None:
    address = shop.stack.urls["flower"].rstrip("/")
    classes = {"payment", "inventory", "notification", "maintenance"}

    assert httpx.get(f"{address}/workers", timeout=10).status_code == 401
    assert httpx.get(f"{address}/workers", auth=("staff", "guess"), timeout=10).status_code == 401

    def workers() -> set[str]:
        page = httpx.get(f"{address}/workers", auth=shop.stack.flower_login, timeout=10)
        assert page.status_code == 200
        return {name for name in classes if f"{name}@" in page.text}

    assert until(workers, lambda seen: seen == classes, seconds=30) == classes


def test_a_dead_letter_is_redriven_from_the_admin_and_the_order_completes(
    staff: Browser, shop: ShopFloor
) -> None:
    """The bank does not know the card's token: a person is asked, and mends it."""
    sku = "DEAD-LETTER-MUG"
    shop.add_product(sku, units=3)
    with Browser(shop.url) as shopper, staff:
        shop.stack.stop_part("worker-payment")
        try:
            page = shopper.submit(shop.filled_checkout(shopper, sku))
            set_payment_method(shop, sku, "pm_card_that_never_was")
        finally:
            shop.stack.start_part("worker-payment")
        number = shop.ask(f"Order.objects.get(lines__sku={sku!r}).number")
        until(
            lambda: shop.ask("DeadLetter.objects.filter(status='open').count()"),
            lambda count: count == 1,
            seconds=30,
        )

        set_payment_method(shop, sku, "pm_card_visa")
        letters = staff.get("/admin/tasks/deadletter/?status__exact=open")
        form = fill(letters, "changelist-form", action="redrive")
        (chosen,) = letters.document.xpath("//input[@name='_selected_action']/@value")
        form.fields["_selected_action"] = str(chosen)
        question = staff.submit(form)
        told = staff.submit(
            fill(question, "dead-letter-action", reason="the card's token was mended")
        )

        assert "sent again" in told.document.text_content()
        end = shop.finished(shopper, page.url, seconds=60)
    assert "You have mail" in end.texts("//*[@data-step='mail']")[0]
    assert shop.captures_of(number) == 1


def test_a_message_that_grew_too_old_is_redriven_from_the_terminal_and_the_order_completes(
    shop: ShopFloor,
) -> None:
    sku = "TOO-OLD-MUG"
    shop.add_product(sku, units=3)
    with Browser(shop.url) as shopper:
        shop.bank("down")
        try:
            shop.stack.stop_part("relay")
            try:
                page = shopper.submit(shop.filled_checkout(shopper, sku))
                subject = shop.ask(f"Order.objects.get(lines__sku={sku!r}).subject")
                shop.python(_TWO_DAYS_AGO.format(subject=subject))
            finally:
                shop.stack.start_part("relay")
            found = until(
                lambda: dead_letters(shop, "list", "--json", "--subject", subject),
                lambda answer: bool(answer.stdout),
                seconds=30,
            )
        finally:
            shop.bank("ok")
        letter = json.loads(found.stdout)
        assert letter["cause"] == "too_old"

        redriven = dead_letters(shop, "redrive", str(letter["id"]), "--reason", "the bank is back")
        again = dead_letters(shop, "redrive", str(letter["id"]))
        end = shop.finished(shopper, page.url, seconds=60)

    assert (redriven.returncode, redriven.stdout) == (0, "1 sent again.\n")
    assert again.returncode == 4
    assert "not open" in again.stderr
    assert "Traceback" not in again.stderr
    assert "You have mail" in end.texts("//*[@data-step='mail']")[0]
    assert shop.captures_of(shop.ask(f"Order.objects.get(lines__sku={sku!r}).number")) == 1


def dead_letters(shop: ShopFloor, *words: str) -> subprocess.CompletedProcess[str]:
    return shop.stack.manage("dead_letters", *words)


def set_payment_method(shop: ShopFloor, sku: str, token: str) -> None:
    shop.ask(f"Payment.objects.filter(order__lines__sku={sku!r}).update(payment_method={token!r})")


@pytest.mark.parametrize(
    ("command", "changes", "complaint"),
    [
        ("setup_broker", {"BROKER_URL": "amqp://127.0.0.1:1//"}, "RabbitMQ does not answer"),
        ("setup_broker", {"BROKER_API_URL": "http://127.0.0.1:1/api"}, "management API"),
        ("audit", {"STRIPE_API_BASE": "http://127.0.0.1:1"}, "ledger cannot be read"),
    ],
)
def test_a_server_that_is_not_there_is_named_without_a_traceback(
    shop: ShopFloor, command: str, changes: dict[str, str], complaint: str
) -> None:
    answer = subprocess.run(
        [sys.executable, "manage.py", command],
        env={**shop.stack.environment, **changes},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert answer.returncode not in (0, None)
    assert complaint in answer.stderr
    assert "Traceback" not in answer.stderr
