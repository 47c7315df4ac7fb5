"""Mending what can be mended without a judgement: a message sent again, a sum counted again.

Each repair is an ordinary step of the shop, harmless when it was not needed: messages are
idempotent, mails are unique by their cause, and the money's fate is read in the provider's books.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import transaction

from orders import task_names
from orders.locked import honest_about_locks
from orders.locks import lock_order, lock_stock
from orders.models import Notification, Payment, Refund, StockItem
from orders.services.audit_faults import Difference
from orders.services.notification import announce, enqueue_mail
from orders.services.payment import enqueue_capture
from orders.services.refund import enqueue_refund
from orders.services.timeline import record_event
from orders.states import OPEN_REFUNDS, UNSETTLED_PAYMENTS, OrderStatus
from orders.stock_books import books_of, with_books
from tasks.outbox import enqueue
from tasks.sweeping import in_hand

ACTOR = "audit"
_IN_HAND = "left alone: a message about it waits, or a dead letter that a person must look at"
_GONE = "left alone: it has moved on by itself"


@dataclass(frozen=True, slots=True)
class Repair:
    """``step`` says what would be done."""

    difference: Difference
    step: str


def repairs(differences: Iterable[Difference]) -> list[Repair]:
    """What can be mended, each thing once. Pure."""
    found = {
        (item.code, item.subject, item.target_id, item.mail_kind, item.mail_cause): item
        for item in differences
        if item.code in STEPS
    }
    return [Repair(item, STEPS[item.code][0]) for item in found.values()]


def mend(repair: Repair) -> str:
    """Do it, in a transaction of its own; what became of it, in words. Raises Busy."""
    with honest_about_locks(), transaction.atomic():
        return STEPS[repair.difference.code][1](repair.difference)


def _resume_order(difference: Difference) -> str:
    order = lock_order(_order_id(difference))
    if in_hand(order.subject):
        return _IN_HAND
    if order.status == OrderStatus.PAID:
        enqueue(task_names.DEDUCT_INVENTORY, {"order_id": order.pk}, subject=order.subject)
        return _noted(order.pk, "its packing was sent again")
    payment = order.payments.filter(status__in=UNSETTLED_PAYMENTS).first()
    if payment is None:
        return "left alone: the sweep 'orders.expire_holds' ends it; see that beat and workers run"
    enqueue_capture(payment)
    return _noted(order.pk, "the question to the bank was sent again")


def _ask_about_payment(difference: Difference) -> str:
    payment = Payment.objects.get(pk=_target_id(difference))
    if payment.status not in UNSETTLED_PAYMENTS:
        return _GONE
    if in_hand(f"order:{payment.order_id}"):
        return _IN_HAND
    enqueue_capture(payment)
    return _noted(payment.order_id, f"the question about payment {payment.pk} was sent again")


def _recheck_payment(difference: Difference) -> str:
    payment = Payment.objects.get(pk=_target_id(difference))
    kwargs = {"order_id": payment.order_id, "payment_id": payment.pk}
    enqueue(task_names.RECHECK_PAYMENT, kwargs, subject=f"order:{payment.order_id}")
    return _noted(payment.order_id, f"payment {payment.pk} is looked up in the provider's books")


def _move_refund(difference: Difference) -> str:
    refund = Refund.objects.get(pk=_target_id(difference))
    if refund.status not in OPEN_REFUNDS:
        return _GONE
    if in_hand(f"order:{refund.order_id}"):
        return _IN_HAND
    enqueue_refund(refund)
    return _noted(refund.order_id, f"refund {refund.pk} was sent again under its key")


def _write_mail(difference: Difference) -> str:
    order = lock_order(_order_id(difference))
    announce(order, Notification.Kind(difference.mail_kind), cause=difference.mail_cause)
    return _noted(order.pk, f"the mail '{difference.mail_kind}' was written")


def _send_mail(difference: Difference) -> str:
    mail = Notification.objects.get(pk=_target_id(difference))
    if mail.status != Notification.Status.PENDING:
        return _GONE
    if in_hand(f"notification:{mail.pk}"):
        return _IN_HAND
    enqueue_mail(mail)
    return _noted(mail.order_id, f"the mail '{mail.kind}' was sent again")


def _recount_held(difference: Difference) -> str:
    """Whoever changes how much is kept changes the SKU's row in the same transaction, and we have
    that row: what we count is what the row must say, and who comes later adds to it. An order that
    takes from what was set aside moves units between the two, which one statement counts."""
    if not StockItem.objects.filter(sku=difference.subject).exists():
        return "left alone: this SKU has no stock; receive it first"
    item = lock_stock(difference.subject)
    counted = books_of(with_books(StockItem.objects.filter(pk=item.pk)).get()).kept
    if counted > item.on_hand:
        return f"left alone: {counted} are held and only {item.on_hand} on hand; count the shelf"
    StockItem.objects.filter(pk=item.pk).update(held=counted)
    return f"held was {item.held} and is {counted}"


STEPS: dict[str, tuple[str, Callable[[Difference], str]]] = {
    "order_stuck": ("send its next step again", _resume_order),
    "payment_stuck": ("ask the provider about the payment", _ask_about_payment),
    "charge_not_written": ("read the provider's books and write the money down", _recheck_payment),
    "refund_stuck": ("send the refund again under its key", _move_refund),
    "mail_missing": ("write the mail", _write_mail),
    "mail_stuck": ("send the mail again", _send_mail),
    "held_differs": ("count the holds again", _recount_held),
}


def _order_id(difference: Difference) -> int:
    if difference.order_id is None:
        raise ValueError(f"{difference.code} of {difference.subject} names no order.")
    return difference.order_id


def _target_id(difference: Difference) -> int:
    if difference.target_id is None:
        raise ValueError(f"{difference.code} of {difference.subject} names no row.")
    return difference.target_id


def _noted(order_id: int, text: str) -> str:
    record_event(order_id, "repaired", f"After an audit: {text}.", actor=ACTOR)
    return text
