"""What the story is told from: the order and its prefetched rows, looked at once."""

from dataclasses import dataclass
from datetime import datetime

from orders.models import Notification, Order, OrderLine, Payment, Refund, Return, Shipment
from orders.money import format_cents
from orders.selectors import Money, money
from orders.states import OPEN_REFUNDS, UNSETTLED_PAYMENTS, OrderStatus, PaymentStatus


@dataclass(frozen=True, slots=True)
class Facts:
    """``payment`` is the newest attempt; ``paid_by`` the newest one that took money, None if none
    did; ``confirmation`` the mail that the order is packed, None until it is owed."""

    order: Order
    now: datetime
    money: Money
    payment: Payment
    paid_by: Payment | None
    payments: dict[int, Payment]
    lines: tuple[OrderLine, ...]
    parcels: tuple[Shipment, ...]
    refunds: tuple[Refund, ...]
    returns: tuple[Return, ...]
    confirmation: Notification | None
    revived: bool

    @property
    def held(self) -> bool:
        """Whether the units are kept for a shopper who still has to pay."""
        return self.order.hold_expires_at > self.now

    @property
    def waits_for_card(self) -> bool:
        return self.order.status == OrderStatus.PAYMENT_FAILED and self.held

    @property
    def waits_for_bank_visit(self) -> bool:
        return (
            self.order.status == OrderStatus.PLACED
            and self.payment.status == PaymentStatus.ACTION_REQUIRED
        )

    @property
    def money_may_come(self) -> bool:
        """Whether the bank was asked for money and has not said what it did."""
        return self.payment.status in UNSETTLED_PAYMENTS and self.payment.asked_at is not None

    @property
    def mailed(self) -> bool:
        sent = Notification.Status.SENT
        return self.confirmation is not None and self.confirmation.status == sent

    @property
    def mail_refused(self) -> bool:
        refused = Notification.Status.REFUSED
        return self.confirmation is not None and self.confirmation.status == refused

    @property
    def open_refunds(self) -> tuple[Refund, ...]:
        return tuple(refund for refund in self.refunds if refund.status in OPEN_REFUNDS)

    @property
    def card_label(self) -> str:
        return (self.paid_by or self.payment).card_label

    @property
    def another_way(self) -> str:
        """Who writes to whom when a refund was refused."""
        if not self.order.email:
            return "Please write to us, so that we find another way."
        return f"We have seen it and write to {self.order.email} to find another way."

    @property
    def units_to_ship(self) -> int:
        return sum(line.to_ship for line in self.lines)

    def shown(self, cents: int) -> str:
        """Cents of this order as people read them."""
        return format_cents(cents, self.order.currency)


def look_at(order: Order, now: datetime) -> Facts:
    """Reads what ``selectors.order_by_token`` has prefetched, and nothing else."""
    payments = list(order.payments.all())
    captured = [payment for payment in payments if payment.status == PaymentStatus.CAPTURED]
    mails = list(order.notifications.all())
    return Facts(
        order=order,
        now=now,
        money=money(order),
        payment=payments[-1],
        paid_by=captured[-1] if captured else None,
        payments={payment.pk: payment for payment in payments},
        lines=tuple(order.lines.all()),
        parcels=tuple(order.shipments.all()),
        refunds=tuple(order.refunds.all()),
        returns=tuple(order.returns.all()),
        confirmation=_confirmation(mails),
        revived=any(mail.kind == Notification.Kind.LATE_MONEY_KEPT for mail in mails),
    )


def _confirmation(mails: list[Notification]) -> Notification | None:
    """The one that was sent, if the staff have sent it again after one that was refused."""
    found = [mail for mail in mails if mail.kind == Notification.Kind.ORDER_CONFIRMED]
    sent = [mail for mail in found if mail.status == Notification.Status.SENT]
    return next(iter(sent + found), None)
