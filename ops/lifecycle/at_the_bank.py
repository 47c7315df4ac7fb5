"""What the bank does by itself, and what the shopper does there."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import transaction

from orders import task_names
from orders.models import Payment, Refund
from orders.states import UNSETTLED_PAYMENTS, PaymentStatus, RefundStatus
from tasks.outbox import enqueue

if TYPE_CHECKING:
    from ops.lifecycle.world import World

Job = Callable[[], str]


def shopper_agrees(world: "World", _which: int, _how: int) -> Job:
    return lambda: f"{world.bank.shopper_answers(agrees=True)} payments"


def shopper_refuses(world: "World", _which: int, _how: int) -> Job:
    return lambda: f"{world.bank.shopper_answers(agrees=False)} payments"


def bank_catches_up(world: "World", _which: int, _how: int) -> Job:
    def job() -> str:
        world.bank.catch_up()
        return "late requests have arrived"

    return job


def bank_moves_refunds(world: "World", _which: int, how: int) -> Job:
    def job() -> str:
        world.bank.settle_pending(succeed=how > 0)
        return "refunds under way have moved" if how else "refunds under way came back"

    return job


def bank_takes_it_after_all(world: "World", which: int, _: int) -> Job:
    """A payment that it had declined or cancelled has moved money; a webhook tells, once at the
    latest when all is settled."""

    def job() -> str:
        closed = [one for one in world.bank.intents if one.status in ("declined", "cancelled")]
        if not closed:
            return "nothing to take"
        intent = closed[which % len(closed)]
        intent.status = "succeeded"
        world.bank.acted_alone = True
        return f"payment {intent.request.payment_id}"

    return job


def refund_bounces(world: "World", which: int, _: int) -> Job:
    """A refund that had moved comes back days later."""

    def job() -> str:
        moved = [one for one in world.bank.refunded if one.status == "succeeded"]
        if not moved:
            return "nothing to bounce"
        refund = moved[which % len(moved)]
        refund.status = "failed"
        world.bank.acted_alone = True
        return f"refund {refund.request.refund_id}"

    return job


def webhook(world: "World", which: int, _: int) -> Job:
    """The bank tells of one of its payments or refunds; as ever, that is only a hint to look."""

    def job() -> str:
        payments = [one.request.payment_id for one in world.bank.intents]
        refunds = [one.request.refund_id for one in world.bank.refunded]
        told = which % max(1, len(payments) + len(refunds))
        if told < len(payments):
            return tell(payments[told])
        return tell_of_refund(refunds[told - len(payments)]) if refunds else "nothing to tell"

    return job


def tell(payment_id: int) -> str:
    """What the handler of a webhook does about a payment."""
    payment = Payment.objects.get(pk=payment_id)
    waits = payment.status in UNSETTLED_PAYMENTS
    name = task_names.CAPTURE_PAYMENT if waits else task_names.RECHECK_PAYMENT
    return _enqueue(name, payment.order_id, payment_id=payment_id)


def tell_of_refund(refund_id: int) -> str:
    """What the handler of a webhook does about a refund."""
    refund = Refund.objects.get(pk=refund_id)
    return _enqueue(task_names.MOVE_REFUND, refund.order_id, refund_id=refund_id)


def tell_news(world: "World") -> int:
    """Tell of everything that stands otherwise at the bank than here; how many. A provider sends
    its webhooks again until they are taken."""
    took = {one.request.payment_id for one in world.bank.intents if one.status == "succeeded"}
    captured = set(
        Payment.objects.filter(
            order_id__in=world.orders, status=PaymentStatus.CAPTURED
        ).values_list("pk", flat=True)
    )
    moved = Refund.objects.filter(order_id__in=world.orders, status=RefundStatus.MOVED)
    here = set(moved.values_list("pk", flat=True))
    came_back = {
        one.request.refund_id
        for one in world.bank.refunded
        if one.status == "failed" and one.request.refund_id in here
    }
    for payment_id in sorted(took - captured):
        tell(payment_id)
    for refund_id in sorted(came_back):
        tell_of_refund(refund_id)
    return len(took - captured) + len(came_back)


def _enqueue(name: str, order_id: int, **about: int) -> str:
    with transaction.atomic():
        enqueue(
            name,
            {"order_id": order_id, **about},
            subject=f"order:{order_id}",
            dedupe_key=f"{name}:{about}",
        )
    return f"{name} {about}"


ACTIONS = {
    action.__name__: action
    for action in (
        shopper_agrees,
        shopper_refuses,
        bank_catches_up,
        bank_moves_refunds,
        bank_takes_it_after_all,
        refund_bounces,
        webhook,
    )
}
