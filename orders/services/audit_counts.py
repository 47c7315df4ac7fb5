"""What an audit has seen, counted: for its rules, and for the programs that read its JSON."""

from collections import Counter
from dataclasses import dataclass, field

from orders.models import Notification
from orders.services.audit_books import PlacedBooks
from orders.services.audit_progress import mails_due
from orders.services.audit_scope import Case, Scope
from orders.states import (
    OPEN_REFUNDS,
    UNSETTLED_PAYMENTS,
    FulfilmentStatus,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
)

_NAMES = (
    *("orders", *OrderStatus.values, "packed", "payments_declined", "payments_unsettled"),
    *("refunds_moved", "refunds_open", "shipments", "returns"),
    *("mails_sent", "confirmed", "mails_pending", "mails_refused"),
    *("captures_at_gateway", "refunds_at_gateway"),
)


@dataclass(slots=True)
class Tally:
    """``checked`` is what the rules looked at, ``counts`` what is told."""

    checked: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    def add_strays(self, scope: Scope, placed: PlacedBooks) -> None:
        captures = sum(scope.has_moment(entry.captured_at) for entry in placed.stray_captures)
        refunds = sum(scope.has_moment(entry.refunded_at) for entry in placed.stray_refunds)
        self.checked.update(captures=captures, refunds_there=refunds)
        self.counts.update(captures_at_gateway=captures, refunds_at_gateway=refunds)

    def add_case(self, case: Case) -> None:
        order, payments, refunds = case.order, case.payments, case.refunds
        self.checked.update(
            orders=1,
            lines=len(case.lines),
            payments=len(payments),
            refunds=len(refunds),
            captures=len(case.captures_there),
            refunds_there=len(case.refunds_there),
            returns=len(case.returns),
            mails=len(case.mails),
            mails_due=sum(1 for _ in mails_due(case)),
        )
        self.counts.update(("orders", order.status))
        self.counts.update(
            packed=order.fulfilment == FulfilmentStatus.PACKED,
            payments_declined=sum(p.status == PaymentStatus.DECLINED for p in payments),
            payments_unsettled=sum(p.status in UNSETTLED_PAYMENTS for p in payments),
            refunds_moved=sum(refund.status == RefundStatus.MOVED for refund in refunds),
            refunds_open=sum(refund.status in OPEN_REFUNDS for refund in refunds),
            shipments=len(case.parcels),
            returns=len(case.returns),
            captures_at_gateway=len(case.captures_there),
            refunds_at_gateway=len(case.refunds_there),
        )
        for mail in case.mails:
            self._add_mail(mail)

    def named_counts(self) -> dict[str, int]:
        """Every name, with 0 for what was not seen."""
        return {name: self.counts[name] for name in _NAMES}

    def _add_mail(self, mail: Notification) -> None:
        self.counts[f"mails_{mail.status}"] += 1
        # One that was sent again by hand has a cause, and confirms no other order.
        if (mail.kind, mail.cause) == (Notification.Kind.ORDER_CONFIRMED, ""):
            self.counts["confirmed"] += mail.status == Notification.Status.SENT
