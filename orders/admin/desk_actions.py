"""What staff may do with an order: each deed with its right, its form, and its one service call."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from orders.admin.desk_fields import DeskForm
from orders.admin.desk_forms import (
    AnnounceReturnForm,
    CancelForm,
    ReceiveReturnForm,
    RefundForm,
    ShipForm,
)
from orders.models import Notification, Order, Refund, Return, Shipment
from orders.money import format_cents
from orders.selectors import money
from orders.services import payment as payments
from orders.services.cancellation import cancel_order, may_cancel
from orders.services.notification import resend
from orders.services.refund import RequestRefund, refund_overpayment, request_refund
from orders.services.returns import announce_return, may_return, receive_return, withdraw_return
from orders.services.shipping import mark_delivered, ship_lines
from orders.states import (
    SHIPPABLE,
    UNSETTLED_PAYMENTS,
    OrderStatus,
    ReturnStatus,
    ShipmentStatus,
)


@dataclass(frozen=True, slots=True)
class DeskAction:
    """``act`` gets the valid form and who acts, and returns what to tell. ``offered`` gets the
    order, or what of it the deed is about; it decides what the page shows, nothing else.

    ``of``: the order's relation that holds what the deed is about; empty: the order itself.
    """

    verb: str
    title: str
    explanation: str
    permission: str
    form: type[DeskForm]
    act: Callable[[Any, str], str]
    offered: Callable[[Any], bool]
    of: str = ""
    danger: bool = False

    @property
    def url_name(self) -> str:
        return f"orders_order_{self.verb}"

    def find(self, order: Order, target_id: int | None) -> Model | None:
        """What the deed is about, of this order and no other; None when there is no such thing."""
        if not self.of:
            return order
        return next((one for one in getattr(order, self.of).all() if one.pk == target_id), None)


def _ship(form: ShipForm, actor: str) -> str:
    given = form.cleaned_data
    parcel = ship_lines(
        form.order.pk,
        form_key=form.key,
        lines=form.chosen(),
        carrier=given["carrier"],
        tracking_code=given["tracking_code"],
        actor=actor,
    )
    return f"Parcel {parcel.pk} is on its way. The shopper gets a mail."


def _deliver(form: DeskForm, actor: str) -> str:
    mark_delivered(form.target.pk, actor=actor)
    return f"Parcel {form.target.pk} has arrived."


def _cancel(form: CancelForm, actor: str) -> str:
    given = form.cleaned_data
    cancel_order(form.order.pk, actor=actor, reason=given["reason"], restock=given["restock"])
    return "The order is cancelled. What was paid is on its way back, and the shopper gets a mail."


def _refund(form: RefundForm, actor: str) -> str:
    command = RequestRefund(
        order_id=form.order.pk,
        cause=f"desk:{form.key}",
        reason=form.cleaned_data["reason"],
        actor=actor,
        lines=form.chosen(),
        amount_cents=form.amount_cents,
        restock=form.cleaned_data["restock"],
    )
    return _refunding(request_refund(command))


def _refund_overpaid(form: DeskForm, actor: str) -> str:
    return _refunding(refund_overpayment(form.order.pk, actor=actor, cause=f"desk:{form.key}"))


def _refunding(refunds: list[Refund]) -> str:
    total = sum(refund.amount_cents for refund in refunds)
    return f"{format_cents(total, refunds[0].currency)} is on its way back."


def _announce_return(form: AnnounceReturnForm, actor: str) -> str:
    coming = announce_return(
        form.order.pk,
        form_key=form.key,
        lines=form.chosen(),
        reason=form.cleaned_data["reason"],
        actor=actor,
    )
    return f"Return {coming.pk} is announced. Receive it when it arrives."


def _receive_return(form: ReceiveReturnForm, actor: str) -> str:
    receive_return(
        form.target.pk, received=form.received(), refund_cents=form.refund_cents, actor=actor
    )
    return f"Return {form.target.pk} is received."


def _withdraw_return(form: DeskForm, actor: str) -> str:
    withdraw_return(form.target.pk, actor=actor)
    return f"Return {form.target.pk} is withdrawn."


def _resend(form: DeskForm, actor: str) -> str:
    mail = resend(form.target.pk, form_key=form.key, actor=actor)
    return f"“{mail.get_kind_display()}” is on its way to {mail.recipient} again."


def _ask_bank(form: DeskForm, actor: str) -> str:
    payments.ask_again(form.order.pk)
    return "The bank is being asked. Look again in a moment."


def may_ship(order: Order) -> bool:
    return (
        order.status == OrderStatus.PAID
        and order.fulfilment in SHIPPABLE
        and any(line.to_ship for line in order.lines.all())
    )


def _may_refund(order: Order) -> bool:
    return any(payment.refundable_cents for payment in order.payments.all())


def is_overpaid(order: Order) -> bool:
    return money(order).overpaid_cents > 0


def _bank_owes_an_answer(order: Order) -> bool:
    return any(payment.status in UNSETTLED_PAYMENTS for payment in order.payments.all())


def _is_under_way(parcel: Shipment) -> bool:
    return parcel.status == ShipmentStatus.SHIPPED


def _may_arrive(coming: Return) -> bool:
    return coming.status in (ReturnStatus.ANNOUNCED, ReturnStatus.LAPSED)


def _is_announced(coming: Return) -> bool:
    return coming.status == ReturnStatus.ANNOUNCED


def _may_resend(mail: Notification) -> bool:
    return mail.status != Notification.Status.PENDING and mail.order.erased_at is None


SHIP = DeskAction(
    "ship",
    "Ship",
    "These units leave in one parcel, and the shopper gets a mail with the tracking link.",
    "orders.ship_order",
    ShipForm,
    _ship,
    may_ship,
)
CANCEL = DeskAction(
    "cancel",
    "Cancel the order",
    "Its units are given back and everything that was paid is refunded. The shopper gets a mail. "
    "This cannot be undone.",
    "orders.cancel_order",
    CancelForm,
    _cancel,
    may_cancel,
    danger=True,
)
REFUND = DeskAction(
    "refund",
    "Refund",
    "Money goes back to the card that paid. Units that were not shipped leave the order.",
    "orders.refund_order",
    RefundForm,
    _refund,
    _may_refund,
    danger=True,
)
REFUND_OVERPAID = DeskAction(
    "refund-overpaid",
    "Refund what is too much",
    "What was paid beyond the price of the order goes back to the card that paid it.",
    "orders.refund_order",
    DeskForm,
    _refund_overpaid,
    is_overpaid,
)
ASK_BANK = DeskAction(
    "ask-bank",
    "Ask the bank again",
    "A worker asks the bank about the open payment now, under the same key: nothing is charged "
    "twice.",
    "orders.ask_bank",
    DeskForm,
    _ask_bank,
    _bank_owes_an_answer,
)
ANNOUNCE_RETURN = DeskAction(
    "announce-return",
    "Announce a return",
    "For a shopper who called or wrote, or a parcel that came without a word.",
    "orders.receive_return",
    AnnounceReturnForm,
    _announce_return,
    may_return,
)
DELIVER = DeskAction(
    "deliver",
    "Mark delivered",
    "The parcel has arrived. The shopper gets a mail.",
    "orders.ship_order",
    DeskForm,
    _deliver,
    _is_under_way,
    of="shipments",
)
RECEIVE_RETURN = DeskAction(
    "receive-return",
    "Receive",
    "Write down what came and in which shape. What is refunded goes back to the card that paid.",
    "orders.receive_return",
    ReceiveReturnForm,
    _receive_return,
    _may_arrive,
    of="returns",
)
WITHDRAW_RETURN = DeskAction(
    "withdraw-return",
    "Withdraw",
    "The units stay with the shopper, and nothing is refunded.",
    "orders.receive_return",
    DeskForm,
    _withdraw_return,
    _is_announced,
    of="returns",
)
RESEND = DeskAction(
    "resend",
    "Send again",
    "The same mail goes out again, to the order's address, as it is today.",
    "orders.resend_mail",
    DeskForm,
    _resend,
    _may_resend,
    of="notifications",
)

ON_ORDER = (SHIP, ASK_BANK, ANNOUNCE_RETURN, REFUND_OVERPAID, REFUND, CANCEL)
ACTIONS = (*ON_ORDER, DELIVER, RECEIVE_RETURN, WITHDRAW_RETURN, RESEND)
