"""Deeds for many orders at once: each order for itself, and a report of what became of each."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4, uuid5

from django import forms
from django.db.models import Q

from orders.admin.desk_fields import reason
from orders.admin.desk_forms import carrier, restock
from orders.errors import Busy, NotMailable, OrderError
from orders.models import Order
from orders.services.cancellation import cancel_order
from orders.services.notification import resend
from orders.services.refund import refund_overpayment
from orders.services.shipping import ship_lines

MOST_AT_ONCE = 200
# Orders that others work on cost a lock timeout each; a person does not wait for all of them.
PATIENCE_SECONDS = 20.0


class BulkForm(forms.Form):
    """``bulk_key`` is drawn with the page; each order gets a key of its own from it."""

    use_required_attribute = False
    bulk_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, initial={"bulk_key": uuid4()})

    def key_of(self, order: Order) -> UUID:
        return uuid5(self.cleaned_data["bulk_key"], str(order.pk))


class ShipManyForm(BulkForm):
    carrier = carrier()


class CancelManyForm(BulkForm):
    reason = reason("Why are they cancelled?")
    restock = restock("Put packed units back on the shelf")


@dataclass(frozen=True, slots=True)
class BulkAction:
    """``act`` does it for one order, in a transaction of its own, and returns what to tell."""

    verb: str
    title: str
    explanation: str
    permission: str
    form: type[BulkForm]
    act: Callable[[Order, Any, str], str]
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one order: ``done``, ``refused``, or ``left`` for another time."""

    order: Order
    outcome: str
    words: str


def do_for_each(
    action: BulkAction, orders: Iterable[Order], form: BulkForm, actor: str
) -> list[Fate]:
    """One fate for each order. One that is refused stops no other."""
    until = time.monotonic() + PATIENCE_SECONDS
    return [_fate(action, order, form, actor, until) for order in orders]


def _fate(action: BulkAction, order: Order, form: BulkForm, actor: str, until: float) -> Fate:
    if time.monotonic() > until:
        return Fate(order, "left", "Not tried, it took too long. Choose it again.")
    try:
        return Fate(order, "done", action.act(order, form, actor))
    except Busy:
        return Fate(order, "left", "Busy: somebody else is working on it. Choose it again.")
    except OrderError as error:
        return Fate(order, "refused", str(error))


def _ship(order: Order, form: ShipManyForm, actor: str) -> str:
    parcel = ship_lines(
        order.pk,
        form_key=form.key_of(order),
        carrier=form.cleaned_data["carrier"],
        actor=actor,
    )
    return f"Parcel {parcel.pk} is on its way."


def _cancel(order: Order, form: CancelManyForm, actor: str) -> str:
    given = form.cleaned_data
    cancel_order(order.pk, actor=actor, reason=given["reason"], restock=given["restock"])
    return "Cancelled."


def _refund_overpaid(order: Order, form: BulkForm, actor: str) -> str:
    refund_overpayment(order.pk, actor=actor, cause=f"desk:{form.key_of(order)}")
    return "What was too much is on its way back."


def _resend_last(order: Order, form: BulkForm, actor: str) -> str:
    # A mail that this very form has repeated is not the last one to be repeated again.
    key = form.key_of(order)
    own = Q(cause__endswith=key.hex)
    last = order.notifications.exclude(own).order_by("-pk").first()
    if last is None:
        raise NotMailable("No mail was written about it yet.")
    mail = resend(last.pk, form_key=key, actor=actor)
    return f"“{mail.get_kind_display()}” is on its way to {mail.recipient}."


BULK = {
    action.verb: action
    for action in (
        BulkAction(
            "ship",
            "Ship all that is left",
            "Each order leaves in one parcel with all its units that are left.",
            "orders.ship_order",
            ShipManyForm,
            _ship,
        ),
        BulkAction(
            "cancel",
            "Cancel",
            "Units are given back and everything that was paid is refunded. Each shopper gets a "
            "mail. This cannot be undone.",
            "orders.cancel_order",
            CancelManyForm,
            _cancel,
            danger=True,
        ),
        BulkAction(
            "refund_overpaid",
            "Refund what is too much",
            "What was paid beyond the price of each order goes back to the card that paid it.",
            "orders.refund_order",
            BulkForm,
            _refund_overpaid,
        ),
        BulkAction(
            "resend_last",
            "Send the last mail again",
            "The newest mail of each order goes out again, to the order's address.",
            "orders.resend_mail",
            BulkForm,
            _resend_last,
        ),
    )
}
