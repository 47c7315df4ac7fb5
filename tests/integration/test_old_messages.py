"""Messages of earlier releases, as they are on the wire, meet today's handlers.

``old_messages/TASK@RELEASE.json`` holds what a queue held; ``MARKS`` says which number in it stands
for what. A release that changes a message adds a file; none is ever deleted while
its task's name is in use.
"""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from kombu import Connection

from orders.gateways.webhook_in import message_in
from orders.models import (
    ExportSchedule,
    Notification,
    Order,
    StaffMail,
    StockItem,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from orders.services.cancellation import cancel_order
from orders.services.fulfilment import deduct_inventory
from orders.services.payment import capture_payment
from orders.services.returns import announce_return
from orders.services.shipping import ship_lines
from orders.services.webhook_in import receive_webhook
from orders.states import FulfilmentStatus, OrderStatus, PaymentStatus, RefundStatus, ReturnStatus
from shop.accounts.mail import owe_mail
from shop.models import AccountMail
from tasks import topology
from tasks.delivery import HEADER
from tasks.models import DeadLetter, OutboxMessage
from tests.architecture.test_task_names import NAMES
from tests.contract.waiting import wait_until
from tests.integration.sandbox_server import SandboxServer
from tests.integration.shopping import lease_on, placed
from tests.integration.webhooks import event
from tests.integration.worker_process import Process, all_ready, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

FILES = sorted((Path(__file__).parent / "old_messages").glob("*.json"))
Message = dict[str, Any]


def newest(rows: QuerySet[Any]) -> int:
    """The id of the newest of them; 0 where the message's task needs none."""
    return rows.order_by("-pk").values_list("pk", flat=True).first() or 0


MARKS: dict[str, Callable[[Order], object]] = {
    "4242": lambda order: order.pk,
    "4343": lambda order: newest(order.payments.all()),
    "4444": lambda order: newest(order.notifications.all()),
    "4646": lambda order: newest(order.refunds.all()),
    "4848": lambda order: newest(order.webhook_deliveries.all()),
    "4949": lambda _order: newest(StaffMail.objects.all()),
    "4747": lambda _: newest(WebhookEvent.objects.all()),
    "4545": lambda _order: newest(AccountMail.objects.all()),
    "FIRST_ENQUEUED_AT": lambda _order: timezone.now().isoformat(),
}


def message(file: Path, order: Order) -> Message:
    """The file's message about this order, under an id of its own."""
    text = file.read_text(encoding="utf-8")
    for mark, value in MARKS.items():
        text = text.replace(mark, str(value(order)))
    found: Message = json.loads(text)
    found["headers"]["id"] = str(uuid4())
    return found


def from_the_future(old: Message) -> Message:
    """The same as a newer release might send it: more arguments, more headers."""
    positional, kwargs, embedded = old["body"]
    headers = old["headers"]
    kwargs = {**kwargs, "from_the_future": {"currency": "EUR"}}
    carried = {**headers.get(HEADER, {}), "schema": 99, "from_the_future": [1]}
    return {
        **old,
        "headers": {**headers, HEADER: carried, "from_the_future": True},
        "body": [positional, kwargs, embedded],
    }


def put(channel: Any, wire: Message) -> str:
    """Into the queue, byte for byte, without Celery; the message's id."""
    queue = topology.work_queue(wire["queue"])
    producer = current_app.amqp.Producer(channel, auto_declare=False)
    producer.publish(
        json.dumps(wire["body"]),
        exchange=queue.exchange,
        routing_key=queue.routing_key,
        headers=wire["headers"],
        content_type=wire["content_type"],
        content_encoding=wire["content_encoding"],
        correlation_id=wire["headers"]["id"],
        delivery_mode=2,
    )
    return str(wire["headers"]["id"])


def placed_order() -> Order:
    return placed()


def paid_order() -> Order:
    order = placed()
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)
    order.refresh_from_db()
    return order


def packed_order() -> Order:
    order = paid_order()
    with lease_on(order) as lease:
        deduct_inventory(order.pk, lease)
    return order


def declined_order() -> Order:
    order = placed(payment_method="pm_card_visa_chargeDeclined")
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)
    Order.objects.update(hold_expires_at=Now() - timedelta(hours=1))
    return order


def stuck_order() -> Order:
    order = placed()
    Order.objects.update(changed_at=Now() - timedelta(hours=1))
    OutboxMessage.objects.all().delete()
    return order


def cancelled_order() -> Order:
    order = packed_order()
    cancel_order(order.pk, actor="test", reason="changed my mind")
    return order


def late_order() -> Order:
    """Its money moved although it was told 'declined'."""
    order = paid_order()
    OutboxMessage.objects.all().delete()
    order.payments.update(status=PaymentStatus.DECLINED)
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.PAYMENT_FAILED)
    return order


def ending_order() -> Order:
    order = declined_order()
    Order.objects.filter(pk=order.pk).update(hold_expires_at=Now() + timedelta(minutes=1))
    return order


def forgotten_return() -> Order:
    order = packed_order()
    ship_lines(order.pk, form_key=uuid4(), actor="test")
    announce_return(order.pk, form_key=uuid4(), lines=(), reason="", actor="test")
    order.returns.update(announced_at=Now() - timedelta(days=400))
    return order


def webhook_order() -> Order:
    """Something is owed to an endpoint that was switched off since."""
    order = placed()
    endpoint = WebhookEndpoint.objects.create(url="https://listener.example/", is_active=False)
    WebhookDelivery.objects.create(
        endpoint=endpoint, order=order, type="order.placed", cause=str(uuid4()), payload={}
    )
    return order


def stuck_webhook_order() -> Order:
    order = webhook_order()
    order.webhook_deliveries.update(owed_at=Now() - timedelta(hours=1))
    return order


def staff_mail_order() -> Order:
    StaffMail.objects.create(
        kind=StaffMail.Kind.LOW_STOCK,
        cause=str(uuid4()),
        recipient="staff@example.com",
        subject="Low stock: MUG",
        text="Few units are left.",
    )
    return placed()


def low_order() -> Order:
    order = placed(stock=1)
    StockItem.objects.update(low_at=100_000, low_told_at=None)
    StaffMail.objects.all().delete()
    return order


def exported_order() -> Order:
    StaffMail.objects.all().delete()
    ExportSchedule.objects.all().delete()
    schedule = ExportSchedule.objects.create(name="All", recipients="staff@example.com")
    ExportSchedule.objects.filter(pk=schedule.pk).update(created_at=Now() - timedelta(days=9))
    return placed()


def announced_order() -> Order:
    """The bank has told us of its money, and nobody else has."""
    order = placed()
    payment = order.payments.get()
    body = event("payment_intent.succeeded", payment=payment)
    receive_webhook(message_in(body))
    return order


def forgotten_webhook() -> Order:
    order = announced_order()
    WebhookEvent.objects.update(received_at=Now() - timedelta(hours=1))
    OutboxMessage.objects.all().delete()
    return order


def order_to_erase() -> Order:
    order = declined_order()
    Order.objects.filter(pk=order.pk).update(
        status=OrderStatus.EXPIRED, erase_asked_at=Now() - timedelta(hours=1)
    )
    order.notifications.update(status=Notification.Status.SENT)
    return order


def owed_account_mail() -> Order:
    owe_mail(AccountMail.Kind.SIGN_UP, "ada@example.org", language="en")
    return placed()


def stuck_account_mail() -> Order:
    order = owed_account_mail()
    AccountMail.objects.update(created_at=Now() - timedelta(hours=1))
    OutboxMessage.objects.all().delete()
    return order


def has(status: OrderStatus) -> Callable[[Order], bool]:
    return lambda order: Order.objects.filter(pk=order.pk, status=status).exists()


def is_packed(order: Order) -> bool:
    return Order.objects.filter(pk=order.pk, fulfilment=FulfilmentStatus.PACKED).exists()


def is_mailed(order: Order) -> bool:
    return order.notifications.filter(status=Notification.Status.SENT).exists()


def is_resumed(order: Order) -> bool:
    return order.timeline.filter(kind="resumed").exists()


def is_refunded(order: Order) -> bool:
    return order.refunds.filter(status=RefundStatus.MOVED).exists()


def is_reminded(order: Order) -> bool:
    return order.notifications.filter(kind=Notification.Kind.HOLD_EXPIRING).exists()


def is_lapsed(order: Order) -> bool:
    return order.returns.filter(status=ReturnStatus.LAPSED).exists()


def is_given_up(order: Order) -> bool:
    return order.webhook_deliveries.filter(status=WebhookDelivery.Status.GIVEN_UP).exists()


def is_sent_again(order: Order) -> bool:
    subjects = [delivery.subject for delivery in order.webhook_deliveries.all()]
    return OutboxMessage.objects.filter(subject__in=subjects).exists()


def staff_is_mailed(_order: Order) -> bool:
    mail = StaffMail.objects.first()
    return mail is not None and mail.status == StaffMail.Status.SENT


def staff_is_told(_order: Order) -> bool:
    return StaffMail.objects.exists()


def is_asked_about(order: Order) -> bool:
    return OutboxMessage.objects.filter(
        dedupe_key=f"ask:{order.payments.get().pk}", task="orders.capture_payment"
    ).exists()


def is_announced_again(_: Order) -> bool:
    pk = WebhookEvent.objects.latest("pk").pk
    return OutboxMessage.objects.filter(subject=f"webhook_event:{pk}").exists()


def is_erased(order: Order) -> bool:
    return Order.objects.filter(pk=order.pk, email="", erased_at__isnull=False).exists()


def account_mail_is_sent(_order: Order) -> bool:
    return AccountMail.objects.latest("pk").status == AccountMail.Status.SENT


def account_mail_is_enqueued(_order: Order) -> bool:
    return OutboxMessage.objects.filter(task="shop.send_account_mail").exists()


def is_kept(order: Order) -> bool:
    """Whose task has nothing to do with it."""
    return Order.objects.filter(pk=order.pk).exists()


CASES: dict[str, tuple[Callable[[], Order], Callable[[Order], bool]]] = {
    "orders.capture_payment": (placed_order, has(OrderStatus.PAID)),
    "orders.deduct_inventory": (paid_order, is_packed),
    "orders.send_notification": (packed_order, is_mailed),
    "orders.erase_ended_orders": (order_to_erase, is_erased),
    "orders.expire_holds": (declined_order, has(OrderStatus.EXPIRED)),
    "orders.handle_webhook": (announced_order, is_asked_about),
    "orders.lapse_returns": (forgotten_return, is_lapsed),
    "orders.move_refund": (cancelled_order, is_refunded),
    "orders.recheck_payment": (late_order, has(OrderStatus.PAID)),
    "orders.remind_of_holds": (ending_order, is_reminded),
    "orders.resume_stuck_orders": (stuck_order, is_resumed),
    "orders.deliver_webhook": (webhook_order, is_given_up),
    "orders.resume_outgoing": (stuck_webhook_order, is_sent_again),
    "orders.send_exports": (exported_order, staff_is_told),
    "orders.send_staff_mail": (staff_mail_order, staff_is_mailed),
    "orders.tell_low_stock": (low_order, staff_is_told),
    "orders.resume_webhooks": (forgotten_webhook, is_announced_again),
    "shop.resume_account_mails": (stuck_account_mail, account_mail_is_enqueued),
    "shop.send_account_mail": (owed_account_mail, account_mail_is_sent),
    "tasks.collect_dead_letters": (placed_order, is_kept),
    "tasks.prune_old_rows": (placed_order, is_kept),
    "tasks.watch_outbox": (placed_order, is_kept),
}


@pytest.fixture
def running(
    channel_to_broker: Connection, bank: SandboxServer, tmp_path: Path
) -> Iterator[Process]:
    """One worker for all queues, with the tests' own bank."""
    one = worker(
        "today",
        ",".join(topology.queue_names()),
        tmp_path,
        STRIPE_API_BASE=bank.base_url,
        STRIPE_API_KEY=bank.api_key,
        STAFF_EMAILS="staff@example.com",
    )
    with all_ready([one]):
        yield one


def test_every_task_has_a_message_of_its_first_release() -> None:
    assert sorted({file.name.split("@")[0] for file in FILES}) == NAMES
    assert sorted(CASES) == NAMES


def test_old_messages_and_future_ones_are_handled_by_todays_workers(
    running: Process, channel_to_broker: Connection
) -> None:
    for file in FILES:
        name = file.name.split("@")[0]
        prepare, happened = CASES[name]
        for version in (dict, from_the_future):
            order = prepare()
            sent = put(channel_to_broker.default_channel, version(message(file, order)))
            wait_until(partial(running.said, f"Task {name}[{sent}] succeeded"), seconds=30)
            assert happened(order), f"{file.name}, {version.__name__}"
    assert not DeadLetter.objects.exists()
