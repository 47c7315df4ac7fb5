"""The proof of the promise: what the database says, against itself and against the provider.

Each rule answers with the things that break it; an empty answer is a kept rule. It may run at any
time, under load as well: all rules read one snapshot of the database.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection, transaction

from orders.gateways.chosen import get_gateway
from orders.gateways.payment import GatewayCapture, PaymentGateway
from orders.models import Notification, Order, Payment
from orders.services.audit_rules import Rule, loss_rules, money_rules, stock_rules
from orders.states import UNSETTLED_PAYMENTS, FulfilmentStatus, OrderStatus, PaymentStatus


@dataclass(frozen=True, slots=True)
class AuditReport:
    rules: tuple[Rule, ...]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not any(rule.breaches for rule in self.rules)

    def broken(self, kind: str) -> int:
        """How many breaches there are of one promise: oversold, double_charged or lost."""
        return sum(len(rule.breaches) for rule in self.rules if rule.kind == kind)


def audit(*, settled: bool = False, gateway: PaymentGateway | None = None) -> AuditReport:
    """Check every rule. ``settled``: nothing should be in flight, so what is counts as lost.

    Raises what the gateway raises when its ledger cannot be read.
    """
    # The provider's ledger is read before the snapshot is taken, never while it is open. What was
    # settled in between is then known here and not yet there, so it is left to the next audit.
    began_at = _database_clock()
    captures = list((gateway or get_gateway()).captures())
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        rules = (
            *stock_rules(),
            *money_rules(captures, began_at),
            *loss_rules(settled=settled),
        )
        return AuditReport(rules, _counts(captures))


def _database_clock() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def _counts(captures: list[GatewayCapture]) -> dict[str, int]:
    by_status = Counter(Order.objects.order_by().values_list("status", flat=True))
    return {
        "orders": Order.objects.count(),
        **{value: by_status[value] for value in OrderStatus.values},
        "packed": Order.objects.filter(fulfilment=FulfilmentStatus.PACKED).count(),
        "payments_declined": Payment.objects.filter(status=PaymentStatus.DECLINED).count(),
        "payments_unsettled": Payment.objects.filter(status__in=UNSETTLED_PAYMENTS).count(),
        "mails_sent": Notification.objects.filter(status=Notification.Status.SENT).count(),
        "confirmed": Notification.objects.filter(
            status=Notification.Status.SENT, kind=Notification.Kind.ORDER_CONFIRMED
        ).count(),
        "mails_pending": Notification.objects.filter(status=Notification.Status.PENDING).count(),
        "captures_at_gateway": len(captures),
    }
