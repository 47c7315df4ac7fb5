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

from orders.models import Notification, Order
from orders.services.cancellation import cancel_order
from orders.services.fulfilment import deduct_inventory
from orders.services.payment import capture_payment
from orders.services.returns import announce_return
from orders.services.shipping import ship_lines
from orders.states import FulfilmentStatus, OrderStatus, PaymentStatus, RefundStatus, ReturnStatus
from tasks import topology
from tasks.delivery import HEADER
from tasks.models import DeadLetter, OutboxMessage
from tests.architecture.test_task_names import NAMES
from tests.contract.waiting import wait_until
from tests.integration.sandbox_server import SandboxServer
from tests.integration.shopping import lease_on, placed
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


def is_kept(order: Order) -> bool:
    """Whose task has nothing to do with it."""
    return Order.objects.filter(pk=order.pk).exists()


CASES: dict[str, tuple[Callable[[], Order], Callable[[Order], bool]]] = {
    "orders.capture_payment": (placed_order, has(OrderStatus.PAID)),
    "orders.deduct_inventory": (paid_order, is_packed),
    "orders.send_notification": (packed_order, is_mailed),
    "orders.expire_holds": (declined_order, has(OrderStatus.EXPIRED)),
    "orders.lapse_returns": (forgotten_return, is_lapsed),
    "orders.move_refund": (cancelled_order, is_refunded),
    "orders.recheck_payment": (late_order, has(OrderStatus.PAID)),
    "orders.remind_of_holds": (ending_order, is_reminded),
    "orders.resume_stuck_orders": (stuck_order, is_resumed),
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
