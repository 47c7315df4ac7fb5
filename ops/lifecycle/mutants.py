"""Defects put in on purpose: the check is worth something only if it finds each of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from orders.gateways.payment import CaptureRequest, Declined, RefundRefused, RefundRequest
from orders.models import Order, Payment, StockItem
from orders.services import (
    cancellation,
    payment,
    refund,
    refunding,
    returns,
    settlement,
    shipping,
    stock,
    sweeping,
)
from tasks.errors import OutcomeUnknown

Mutant = Callable[[], AbstractContextManager[None]]


@contextmanager
def lock_removed() -> Iterator[None]:
    """The order's row is read and not locked."""
    with ExitStack() as stack:
        for module in (cancellation, refund, shipping, returns):
            stack.enter_context(
                patch.object(module, "lock_order", lambda pk: Order.objects.get(pk=pk))
            )
        yield


@contextmanager
def new_key_on_retry() -> Iterator[None]:
    """Each question to the bank is a new payment to it."""
    real = payment._request

    def request(row: Payment) -> CaptureRequest:
        return replace(real(row), idempotency_key=str(uuid4()))

    with patch.object(payment, "_request", request):
        yield


@contextmanager
def new_refund_key_on_retry() -> Iterator[None]:
    real = refunding._request

    def request(row: Any) -> RefundRequest:
        return replace(real(row), idempotency_key=str(uuid4()))

    with patch.object(refunding, "_request", request):
        yield


@contextmanager
def check_before_write() -> Iterator[None]:
    """The transition asks first and writes then, in two statements."""

    def move_order(order_id: int, source: str, target: str, *, where: dict[str, Any]) -> bool:
        if not Order.objects.filter(pk=order_id, status=source, **where).exists():
            return False
        Order.objects.filter(pk=order_id).update(status=target)
        return True

    with (
        patch.object(payment, "move_order", move_order),
        patch.object(sweeping, "move_order", move_order),
    ):
        yield


@contextmanager
def stock_checked_before_held() -> Iterator[None]:
    """As above, for the units on the shelf; only the database's constraint is left."""

    def hold(line: Any) -> None:
        if StockItem.objects.get(sku=line.sku).available >= line.quantity:
            item = StockItem.objects.get(sku=line.sku)
            StockItem.objects.filter(sku=line.sku).update(held=item.held + line.quantity)

    with patch.object(stock, "_hold", hold):
        yield


@contextmanager
def reservation_not_kept() -> Iterator[None]:
    """A refund is requested, and its sum stays free for another one."""
    real = refund.reserve

    def reserve(order: Order, **kwargs: Any) -> Any:
        before = {row.pk: row.refund_reserved_cents for row in order.payments.all()}
        refunds = real(order, **kwargs)
        for pk, cents in before.items():
            Payment.objects.filter(pk=pk).update(refund_reserved_cents=cents)
        return refunds

    with patch.object(refund, "reserve", reserve):
        yield


@contextmanager
def asked_at_not_set() -> Iterator[None]:
    """The bank is asked, and nobody can see that it was."""
    real = payment._announce_question

    def announce(row: Payment, lease: Any) -> Any:
        standing = real(row, lease)
        Payment.objects.filter(pk=row.pk).update(asked_at=None)
        return standing

    with patch.object(payment, "_announce_question", announce):
        yield


@contextmanager
def stock_given_back_twice() -> Iterator[None]:
    real = stock.return_units

    def return_units(units: Any, *, cause: str, **kwargs: Any) -> None:
        kept = list(units)
        real(kept, cause=cause, **kwargs)
        real(kept, cause=f"{cause}:again", **kwargs)

    with patch.object(stock, "return_units", return_units):
        yield


@contextmanager
def silence_is_no() -> Iterator[None]:
    """A bank that does not answer a capture is taken to have declined."""
    real = payment._ask

    def ask(*arguments: Any, **kwargs: Any) -> Any:
        try:
            return real(*arguments, **kwargs)
        except OutcomeUnknown:
            return Declined("", "silence")

    with patch.object(payment, "_ask", ask):
        yield


@contextmanager
def silence_is_refusal() -> Iterator[None]:
    """The same for refunds."""
    real = refunding._ask

    def ask(*arguments: Any, **kwargs: Any) -> Any:
        try:
            return real(*arguments, **kwargs)
        except OutcomeUnknown:
            return RefundRefused("silence", "The bank did not answer.")

    with patch.object(refunding, "_ask", ask):
        yield


@contextmanager
def keys_never_forgotten() -> Iterator[None]:
    """A key is trusted longer than the bank remembers it."""
    with (
        patch.object(payment, "KEY_AGE", timedelta(days=1_000)),
        patch.object(refunding, "KEY_AGE", timedelta(days=1_000)),
    ):
        yield


@contextmanager
def late_money_kept() -> Iterator[None]:
    """Money for a cancelled order is written down, and stays."""
    with patch.object(settlement, "_send_back", lambda *_: None):
        yield


MUTANTS: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        lock_removed,
        new_key_on_retry,
        new_refund_key_on_retry,
        check_before_write,
        stock_checked_before_held,
        reservation_not_kept,
        asked_at_not_set,
        stock_given_back_twice,
        silence_is_no,
        silence_is_refusal,
        keys_never_forgotten,
        late_money_kept,
    )
}
