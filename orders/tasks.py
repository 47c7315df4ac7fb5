"""The Celery tasks: each parses its message and calls one service.

Handlers take keywords and ignore ones they do not know, so that old workers survive new messages.
"""

from typing import Any

from orders import task_names
from orders.services import (
    exports,
    fulfilment,
    low_stock,
    notification,
    outgoing,
    payment,
    personal_data,
    refunding,
    returns,
    settlement,
    staff_mail,
    sweeping,
    webhook_in,
    webhooks_out,
)
from tasks.base import platform_task
from tasks.locks.held import HeldLease
from tasks.retry import Backoff, RetryPolicy

# The bank is asked for hours before a person is: nothing is gained by giving up on money.
_MONEY = RetryPolicy(
    transient=Backoff(attempts=20, cap_seconds=120),
    unknown=Backoff(attempts=200, cap_seconds=120),
    defect=Backoff(attempts=20, cap_seconds=120),
)

# A receiver that is down is asked for a day, ever more rarely. The service itself gives up then, so
# these limits are only beyond it; what a defect does is a dead letter as everywhere.
_WEBHOOK = RetryPolicy(
    transient=Backoff(attempts=1_000, base_seconds=10, cap_seconds=4 * 3600, floor_seconds=2),
    max_age_seconds=8 * 86_400,
)


@platform_task(task_names.CAPTURE_PAYMENT, lease_key="order:{order_id}", policy=_MONEY)
def capture_payment(
    *, order_id: int, payment_id: int, lease: HeldLease, give_up: bool = False, **_: Any
) -> None:
    payment.capture_payment(order_id, payment_id, lease, give_up=give_up)


@platform_task(task_names.MOVE_REFUND, lease_key="order:{order_id}", policy=_MONEY)
def move_refund(*, order_id: int, refund_id: int, lease: HeldLease, **_: Any) -> None:
    refunding.move_refund(order_id, refund_id, lease)


@platform_task(task_names.RECHECK_PAYMENT, lease_key="order:{order_id}", policy=_MONEY)
def recheck_payment(*, order_id: int, payment_id: int, lease: HeldLease, **_: Any) -> None:
    settlement.recheck_payment(order_id, payment_id, lease)


@platform_task(task_names.HANDLE_WEBHOOK, lease_key="webhook_event:{event_id}")
def handle_webhook(*, event_id: int, lease: HeldLease, **_: Any) -> None:
    webhook_in.handle_webhook(event_id)


@platform_task(task_names.DEDUCT_INVENTORY, lease_key="order:{order_id}")
def deduct_inventory(*, order_id: int, lease: HeldLease, **_: Any) -> None:
    fulfilment.deduct_inventory(order_id, lease)


@platform_task(task_names.SEND_NOTIFICATION, lease_key="notification:{notification_id}")
def send_notification(*, notification_id: int, lease: HeldLease, **_: Any) -> None:
    notification.send_notification(notification_id, lease)


@platform_task(task_names.EXPIRE_HOLDS, lease_key="sweep:expire_holds", periodic=True)
def expire_holds(*, lease: HeldLease, **_: Any) -> None:
    sweeping.expire_holds()


@platform_task(task_names.RESUME_STUCK_ORDERS, lease_key="sweep:resume_stuck_orders", periodic=True)
def resume_stuck_orders(*, lease: HeldLease, **_: Any) -> None:
    sweeping.resume_stuck_orders()


@platform_task(task_names.ERASE_ENDED_ORDERS, lease_key="sweep:erase_ended_orders", periodic=True)
def erase_ended_orders(*, lease: HeldLease, **_: Any) -> None:
    personal_data.erase_ended_orders()


@platform_task(task_names.REMIND_OF_HOLDS, lease_key="sweep:remind_of_holds", periodic=True)
def remind_of_holds(*, lease: HeldLease, **_: Any) -> None:
    sweeping.remind_of_holds()


@platform_task(task_names.LAPSE_RETURNS, lease_key="sweep:lapse_returns", periodic=True)
def lapse_returns(*, lease: HeldLease, **_: Any) -> None:
    returns.lapse_returns()


@platform_task(task_names.DELIVER_WEBHOOK, lease_key="webhook:{delivery_id}", policy=_WEBHOOK)
def deliver_webhook(*, delivery_id: int, lease: HeldLease, **_: Any) -> None:
    webhooks_out.deliver_webhook(delivery_id, lease)


@platform_task(task_names.SEND_STAFF_MAIL, lease_key="staff_mail:{mail_id}")
def send_staff_mail(*, mail_id: int, lease: HeldLease, **_: Any) -> None:
    staff_mail.send_staff_mail(mail_id, lease)


@platform_task(task_names.RESUME_OUTGOING, lease_key="sweep:resume_outgoing", periodic=True)
def resume_outgoing(*, lease: HeldLease, **_: Any) -> None:
    outgoing.resume_outgoing()


@platform_task(task_names.TELL_LOW_STOCK, lease_key="sweep:tell_low_stock", periodic=True)
def tell_low_stock(*, lease: HeldLease, **_: Any) -> None:
    low_stock.tell_low_stock()


@platform_task(task_names.SEND_EXPORTS, lease_key="sweep:send_exports", periodic=True)
def send_exports(*, lease: HeldLease, **_: Any) -> None:
    exports.send_exports()


@platform_task(task_names.RESUME_WEBHOOKS, lease_key="sweep:resume_webhooks", periodic=True)
def resume_webhooks(*, lease: HeldLease, **_: Any) -> None:
    webhook_in.resume_webhooks()
