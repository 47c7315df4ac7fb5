"""What the provider tells us: believed only when signed, stored first of all, and never twice."""

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, connections
from django.db.models.functions import Now
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from orders.gateways.chosen import get_gateway
from orders.models import Order, Payment, Refund, WebhookEvent
from orders.services.cancellation import cancel_order
from orders.services.payment import ask_again, capture_payment
from orders.services.refunding import move_refund
from orders.services.settlement import recheck_payment
from orders.services.webhook_in import handle_webhook, resume_webhooks
from orders.states import OrderStatus, PaymentStatus, RefundStatus
from tasks import pruning
from tasks.errors import OutcomeUnknown
from tasks.models import OutboxMessage
from tests.contract.waiting import wait_until
from tests.integration.sandbox_server import SandboxServer, running_sandbox
from tests.integration.shopping import lease_on, placed
from tests.integration.webhooks import event, raw, signed

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/webhooks/payments/"
SECRET = f"whsec_{secrets.token_hex(16)}"
PAID = "payment_intent.succeeded"
CHECKED = "pm_card_authenticationRequired"


@pytest.fixture(autouse=True)
def secret(settings: LazySettings, tmp_path: Path) -> None:
    settings.STRIPE_WEBHOOK_SECRET = SECRET
    settings.STATIC_ROOT = tmp_path  # WhiteNoise complains of a folder that is not there


def tell(payload: dict[str, Any]) -> Any:
    body = raw(payload)
    return post(body, signed(body, SECRET))


def post(body: bytes, signature: str | None) -> Any:
    headers = {} if signature is None else {"Stripe-Signature": signature}
    # With Django's own check on: the provider knows no token of ours.
    client = Client(enforce_csrf_checks=True)
    return client.post(URL, body, content_type="application/json", headers=headers)


def handle_all() -> list[str]:
    """As the workers would; what was made of each."""
    for message in OutboxMessage.objects.filter(task="orders.handle_webhook"):
        handle_webhook(message.kwargs["event_id"])
    return list(WebhookEvent.objects.order_by("pk").values_list("status", flat=True))


def waiting(task: str) -> int:
    return OutboxMessage.objects.filter(task=task).count()


def capture(order: Order) -> None:
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.latest("pk").pk, lease)
    order.refresh_from_db()


def at_the_bank() -> tuple[Order, str]:
    """An order whose shopper is looking at the bank's page; the page's address."""
    order = placed(payment_method=CHECKED)
    capture(order)
    payment = order.payments.get()
    assert payment.status == PaymentStatus.ACTION_REQUIRED
    return order, payment.redirect_url


def captures_of(order: Order) -> int:
    return sum(one.order_number == order.number for one in get_gateway().captures())


# -- who may say anything ---------------------------------------------------------------------
def test_a_signed_event_is_stored_with_the_message_that_handles_it() -> None:
    payload = event(PAID, payment=placed().payments.get())

    answer = tell(payload)

    assert (answer.status_code, answer.content) == (200, b"Stored.")
    stored = WebhookEvent.objects.get()
    assert (stored.event_id, stored.type, stored.payload) == (payload["id"], PAID, payload)
    message = OutboxMessage.objects.get(task="orders.handle_webhook")
    assert message.kwargs == {"event_id": stored.pk}


GOOD = raw(event(PAID))
# What never reaches the database needs no emptied one.
untouched = pytest.mark.django_db(transaction=False)


@untouched
@pytest.mark.parametrize(
    ("signature", "says"),
    [
        (None, "header is missing"),
        ("", "header is missing"),
        ("garbage", "does not fit"),
        ("t=1,v1=", "does not fit"),
        ("t=x,v1=abc", "does not fit"),
        ("t=1800000000,v1=\u00e9\u00e9", "does not fit"),
        (signed(GOOD, SECRET[:-1]), "does not fit"),
        (signed(GOOD + b" ", SECRET), "does not fit"),
        (signed(GOOD, SECRET, seconds_ago=3_600), "300 seconds ago"),
    ],
    ids=["none", "empty", "garbage", "no seal", "no time", "letters", "stranger", "body", "age"],
)
def test_what_is_not_signed_by_the_provider_and_lately_is_refused(
    signature: str | None, says: str
) -> None:
    answer = post(GOOD, signature)
    assert answer.status_code == 400
    assert says in answer.content.decode()
    assert not WebhookEvent.objects.exists()
    assert not OutboxMessage.objects.exists()


@untouched
def test_a_shop_without_a_secret_takes_nothing(settings: LazySettings) -> None:
    settings.STRIPE_WEBHOOK_SECRET = ""
    answer = post(GOOD, signed(GOOD, ""))
    assert answer.status_code == 400
    assert "STRIPE_WEBHOOK_SECRET is not set" in answer.content.decode()
    assert not WebhookEvent.objects.exists()


@untouched
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"evt"',
        b"{}",
        b'{"id": "evt_1", "type": "x", "created": 1}',
        b'{"id": "evt_1", "type": "x", "created": 1, "data": {"object": []}}',
        b'{"id": "evt_1", "type": "x", "created": 1e300, "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "x", "created": "now", "data": {"object": {}}}',
        b'{"id": "", "type": "x", "created": 1, "data": {"object": {}}}',
        b'{"id": "' + b"e" * 121 + b'", "type": "x", "created": 1, "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "x", "created": 1, "data": {"object": {"metadata": 7}}}',
        b"\xff\xfe",
    ],
)
def test_a_body_that_nobody_can_read_is_refused_in_plain_words(body: bytes) -> None:
    answer = post(body, signed(body, SECRET))
    assert answer.status_code == 400
    assert answer["Content-Type"].startswith("text/plain")
    assert answer.content
    assert not WebhookEvent.objects.exists()


@untouched
def test_a_body_without_bound_is_refused() -> None:
    body = b" " * 300_000
    assert post(body, signed(body, SECRET)).status_code == 413


def test_what_postgresql_cannot_keep_is_kept_without_it() -> None:
    payload = event("odd\0type", reference="x", note="\0 \ud800")
    assert tell(payload).status_code == 200
    assert handle_all() == ["ignored"]


@untouched
def test_only_post_is_taken() -> None:
    assert Client().get(URL).status_code == 405


# -- once, and never lost ---------------------------------------------------------------------
def test_a_replay_is_answered_and_changes_nothing() -> None:
    payload = event(PAID, payment=placed().payments.get())
    assert tell(payload).content == b"Stored."
    handle_all()
    handled = WebhookEvent.objects.get()
    OutboxMessage.objects.all().delete()

    assert tell(payload).content == b"Known already."

    handle_webhook(handled.pk)
    assert handle_all() == ["handled"]
    assert not OutboxMessage.objects.exists()


def test_ten_deliveries_of_one_event_at_once_are_one_event() -> None:
    payload, start = event(PAID, payment=placed().payments.get()), threading.Barrier(10)

    def deliver(_: int) -> int:
        start.wait(10)
        try:
            return int(tell(payload).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(deliver, range(10))) == {200}
    assert WebhookEvent.objects.count() == waiting("orders.handle_webhook") == 1


def test_while_the_database_cannot_take_it_the_provider_is_told_to_send_it_again() -> None:
    payload = event(PAID, payment=placed().payments.get())
    locked, answered = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE orders_webhookevent IN ACCESS EXCLUSIVE MODE")
            locked.set()
            answered.wait(20)
            cursor.execute("ROLLBACK")
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert locked.wait(10)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        answer = tell(payload)
    finally:
        answered.set()
        holder.join(20)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '3s'")
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert tell(payload).content == b"Stored."


def test_an_event_that_nobody_handled_is_sent_on_by_the_sweep() -> None:
    tell(event(PAID, payment=placed().payments.get()))
    WebhookEvent.objects.update(received_at=Now() - timedelta(hours=1))
    assert resume_webhooks() == 0  # its message is still waiting

    OutboxMessage.objects.all().delete()
    WebhookEvent.objects.update(swept_at=None)

    assert resume_webhooks() == 1
    assert waiting("orders.handle_webhook") == 1
    handle_all()
    OutboxMessage.objects.all().delete()
    WebhookEvent.objects.update(swept_at=None)
    assert resume_webhooks() == 0


def test_handled_events_go_after_their_time_and_others_never() -> None:
    for days in (None, 29, 31):
        stored = WebhookEvent.objects.create(
            event_id=f"evt_{days}", type="x", payload={}, happened_at=Now()
        )
        if days:
            WebhookEvent.objects.filter(pk=stored.pk).update(
                status="ignored", handled_at=Now() - timedelta(days=days)
            )
    pruning.prune()
    left = set(WebhookEvent.objects.values_list("event_id", flat=True))
    assert left == {"evt_None", "evt_29"}


# -- a hint, and never the truth --------------------------------------------------------------
def test_a_shopper_who_never_comes_back_from_the_bank_has_paid_all_the_same(
    bank: SandboxServer,
) -> None:
    order, page = at_the_bank()
    bank.authenticate(page, is_me=True)

    tell(event(PAID, payment=order.payments.get()))
    at_once = OutboxMessage.objects.filter(not_before__lte=Now())
    assert at_once.filter(task="orders.handle_webhook").exists()  # somebody is waiting
    assert handle_all() == ["handled"]
    capture(order)

    assert order.status == OrderStatus.PAID
    assert captures_of(order) == 1


def test_the_webhook_and_the_browsers_return_are_one_question_and_one_payment(
    bank: SandboxServer,
) -> None:
    order, page = at_the_bank()
    bank.authenticate(page, is_me=True)
    OutboxMessage.objects.all().delete()

    tell(event(PAID, payment=order.payments.get()))
    ask_again(order.pk)
    handle_all()
    assert waiting("orders.capture_payment") == 1

    # Even were they two: a relay may have taken the first before the second came.
    start = threading.Barrier(2)

    def work(_: int) -> None:
        start.wait(10)
        try:
            capture(Order.objects.get(pk=order.pk))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    order.refresh_from_db()
    assert order.status == OrderStatus.PAID
    assert order.timeline.filter(kind="paid").count() == 1
    assert waiting("orders.deduct_inventory") == 1
    assert captures_of(order) == 1


@pytest.mark.parametrize("kinds", [(PAID, "payment_intent.payment_failed"), ()])
def test_events_in_any_order_and_none_at_all_end_in_the_same_state(
    bank: SandboxServer, kinds: tuple[str, ...]
) -> None:
    for order_of_events in (kinds, kinds[::-1]):
        order, page = at_the_bank()
        bank.authenticate(page, is_me=True)
        for kind in order_of_events:
            tell(event(kind, payment=order.payments.get()))
            handle_all()
        capture(order)
        assert order.status == OrderStatus.PAID
        assert captures_of(order) == 1


def test_an_event_that_claims_a_payment_pays_nothing_by_itself() -> None:
    order = placed(payment_method="pm_card_visa_chargeDeclined")
    tell(event(PAID, payment=order.payments.get(), reference="pi_invented"))
    assert handle_all() == ["handled"]
    capture(order)
    assert (order.status, captures_of(order)) == (OrderStatus.PAYMENT_FAILED, 0)


def test_news_of_what_our_own_worker_has_written_down_needs_no_worker() -> None:
    order = placed()
    capture(order)
    OutboxMessage.objects.all().delete()
    tell(event(PAID, payment=order.payments.get()))
    assert WebhookEvent.objects.get().status == WebhookEvent.Status.IGNORED
    assert not OutboxMessage.objects.exists()


def test_a_check_that_failed_at_the_bank_is_a_decline(bank: SandboxServer) -> None:
    order, page = at_the_bank()
    bank.authenticate(page, is_me=False)
    tell(event("payment_intent.payment_failed", payment=order.payments.get()))
    handle_all()
    capture(order)
    payment = order.payments.get()
    assert (order.status, payment.status) == (OrderStatus.PAYMENT_FAILED, PaymentStatus.DECLINED)
    assert payment.decline_code == "payment_intent_authentication_failure"


def test_money_for_a_payment_that_is_cancelled_here_is_looked_up_and_found(
    settings: LazySettings,
) -> None:
    settings.PAYMENT_TIMEOUT_SECONDS = 0.7
    order = placed(payment_method="pm_sandbox_timeout_after")
    with pytest.raises(OutcomeUnknown):
        capture(order)
    Payment.objects.update(status=PaymentStatus.CANCELLED, settled_at=Now())

    tell(event(PAID, payment=order.payments.get()))
    handle_all()

    recheck = OutboxMessage.objects.get(task="orders.recheck_payment")
    with lease_on(order) as lease:
        recheck_payment(lease=lease, **recheck.kwargs)
    assert order.payments.get().status == PaymentStatus.CAPTURED
    order.refresh_from_db()
    assert order.status == OrderStatus.PAID
    assert captures_of(order) == 1


def refund_under_way(payment_method: str) -> Refund:
    order = placed(payment_method=payment_method)
    capture(order)
    cancel_order(order.pk, actor="test", reason="for a test")
    refund = Refund.objects.get(order=order)
    with lease_on(order) as lease:
        move_refund(order.pk, refund.pk, lease)
    OutboxMessage.objects.all().delete()
    refund.refresh_from_db()
    return refund


def test_a_refund_that_was_pending_is_asked_about_when_the_provider_says_so() -> None:
    refund = refund_under_way("pm_sandbox_refund_pending")
    assert refund.status == RefundStatus.UNKNOWN

    tell(event("refund.updated", refund=refund))
    handle_all()

    assert OutboxMessage.objects.get(task="orders.move_refund").kwargs == {
        "order_id": refund.order_id,
        "refund_id": refund.pk,
    }


def test_a_refund_that_moved_is_asked_about_only_when_it_came_back() -> None:
    refund = refund_under_way("pm_card_visa")
    assert refund.status == RefundStatus.MOVED
    for kind in ("refund.created", "refund.updated"):
        tell(event(kind, refund=refund))
    assert handle_all() == ["ignored", "ignored"]
    assert waiting("orders.move_refund") == 0

    tell(event("refund.failed", refund=refund))
    handle_all()
    assert waiting("orders.move_refund") == 1


def test_what_is_not_ours_is_kept_and_changes_nothing() -> None:
    order = placed()
    OutboxMessage.objects.all().delete()
    stranger = event(PAID, payment=order.payments.get())
    stranger["data"]["object"]["metadata"]["order_number"] = "OF-ANOTHER-SHOP"
    unnamed = event(PAID, id="pi_by_hand", object="payment_intent")
    other_kind = event("customer.created", object="customer", id="cus_1")
    for payload in (stranger, unnamed, other_kind):
        assert tell(payload).status_code == 200
    assert handle_all() == ["ignored"] * 3
    assert not OutboxMessage.objects.exists()
    assert all(WebhookEvent.objects.values_list("note", flat=True))


# -- from a provider that misbehaves ----------------------------------------------------------
@pytest.fixture
def telling_bank(settings: LazySettings, tmp_path: Path) -> Iterator[SandboxServer]:
    """A bank of its own that tells this very process, over HTTP."""
    folder = tmp_path / "bank"
    folder.mkdir()
    # Not the fixture 'live_server': it reads STATIC_ROOT before a test can change it.
    shop = LiveServer("127.0.0.1")
    try:
        with running_sandbox(folder, slow_seconds=0.5, webhook_url=f"{shop.url}{URL}") as own:
            settings.STRIPE_WEBHOOK_SECRET = own.webhook_secret
            settings.STRIPE_API_BASE, settings.STRIPE_API_KEY = own.base_url, own.api_key
            yield own
    finally:
        shop.stop()


def test_what_comes_twice_and_backwards_leads_to_one_payment_and_one_refund(
    telling_bank: SandboxServer,
) -> None:
    telling_bank.set_webhooks("duplicate")
    order, page = at_the_bank()
    telling_bank.authenticate(page, is_me=True)
    wait_until(lambda: telling_bank.webhooks()["sent"] == 1, seconds=20)
    assert handle_all() == ["handled"]
    capture(order)
    assert order.status == OrderStatus.PAID

    telling_bank.set_webhooks("reversed")
    cancel_order(order.pk, actor="test", reason="for a test")
    refund = Refund.objects.get(order=order)
    with lease_on(order) as lease:
        move_refund(order.pk, refund.pk, lease)
    late = placed(payment_method="pm_card_visa_chargeDeclined")
    capture(late)
    wait_until(lambda: telling_bank.webhooks()["waiting"] == 0, seconds=20)
    handle_all()

    told = list(WebhookEvent.objects.order_by("pk").values_list("type", flat=True))
    assert told == [PAID, "payment_intent.payment_failed", "refund.created"]
    assert [one["amount_cents"] for one in telling_bank.movements()] == [order.total_cents] * 2
    refund.refresh_from_db()
    assert refund.status == RefundStatus.MOVED
