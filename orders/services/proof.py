"""The proof of a period: each order with its money, units and mails on both sides, matched."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from django.conf import settings
from django.utils import timezone

from orders.gateways.payment import PaymentGateway
from orders.models import Notification, Order, StockMovement
from orders.services.audit import AuditReport, audit
from orders.services.audit_faults import Difference
from orders.services.audit_progress import mails_due
from orders.services.audit_scope import Case, Scope
from orders.states import OPEN_REFUNDS, PaymentStatus, RefundStatus

FORMAT = "soldonce-proof/1"


class TooMuch(Exception):
    """The proof would take longer than whoever asks can wait; ``str()`` says what to do."""


@dataclass(frozen=True, slots=True)
class Period:
    """Orders placed from ``first`` to ``last``, both included, by the shop's calendar."""

    first: date
    last: date

    def scope(self) -> Scope:
        return Scope(_midnight(self.first), _midnight(self.last + timedelta(days=1)))

    def __str__(self) -> str:
        return f"{self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class Limits:
    """``orders`` at most, and ``seconds`` at most; ``command`` is told to whoever wants more."""

    orders: int
    seconds: float
    command: str


@dataclass(frozen=True, slots=True)
class Row:
    """One order. Amounts are cents; ``there`` is in the provider's books."""

    order: str
    placed_at: str
    status: str
    fulfilment: str
    currency: str
    total_cents: int
    captured_cents: int
    captured_there_cents: int
    refunded_cents: int
    refunding_cents: int
    refunded_there_cents: int
    units_ordered: int
    units_deducted: int
    units_back: int
    mails_due: int
    mails_sent: int
    differences: tuple[str, ...]


@dataclass(frozen=True)
class Proof:
    """``about`` says of what, in words."""

    about: str
    made_at: datetime
    report: AuditReport
    rows: list[Row] = field(default_factory=list)

    @property
    def totals(self) -> dict[str, dict[str, int]]:
        """Sums of the rows' cents, by currency."""
        sums: dict[str, Counter[str]] = {}
        for row in self.rows:
            of_currency = sums.setdefault(row.currency, Counter())
            for name in _CENTS:
                of_currency[name] += getattr(row, name)
        return {currency: dict(found) for currency, found in sorted(sums.items())}


_CENTS = [name for name in Row.__annotations__ if name.endswith("_cents")]


def prove(
    period: Period,
    *,
    limits: Limits | None = None,
    gateway: PaymentGateway | None = None,
) -> Proof:
    """Raises TooMuch, and what the gateway raises when its books cannot be read."""
    return _prove(period.scope(), str(period), limits, gateway)


def prove_order(order: Order, *, gateway: PaymentGateway | None = None) -> Proof:
    """The same for one order. Raises what the gateway raises."""
    return _prove(Scope(order_ids=[order.pk]), f"order {order.number}", None, gateway)


def _prove(
    scope: Scope, about: str, limits: Limits | None, gateway: PaymentGateway | None
) -> Proof:
    rows: list[Row] = []

    def look(case: Case, differences: list[Difference]) -> None:
        rows.append(_row(case, differences))

    report = audit(scope, gateway=gateway, look=look, allow=_guard(scope, limits))
    return Proof(about, timezone.now(), report, rows)


def _guard(scope: Scope, limits: Limits | None) -> Callable[[int], None]:
    if limits is None:
        return lambda done: None
    orders = scope.orders().count()
    if orders > limits.orders:
        raise TooMuch(
            f"{orders} orders were placed then, and this page proves {limits.orders} at most. "
            f"Choose a shorter period, or run: {limits.command}"
        )
    until = time.monotonic() + limits.seconds

    def allow(_done: int) -> None:
        if time.monotonic() > until:
            raise TooMuch(
                f"This takes longer than {limits.seconds:g} s, most likely because the provider's "
                f"books are long. Choose a later period, or run: {limits.command}"
            )

    return allow


def _row(case: Case, differences: list[Difference]) -> Row:
    order, payments, refunds = case.order, case.payments, case.refunds
    moved = Counter[str]()
    for movement in case.movements:
        moved[movement.kind] += movement.quantity
    return Row(
        order=order.number,
        placed_at=order.placed_at.isoformat(timespec="seconds"),
        status=order.status,
        fulfilment=order.fulfilment,
        currency=order.currency,
        total_cents=order.total_cents,
        captured_cents=sum(p.amount_cents for p in payments if p.status == PaymentStatus.CAPTURED),
        captured_there_cents=sum(entry.amount_cents for entry in case.captures_there),
        refunded_cents=sum(r.amount_cents for r in refunds if r.status == RefundStatus.MOVED),
        refunding_cents=sum(r.amount_cents for r in refunds if r.status in OPEN_REFUNDS),
        refunded_there_cents=sum(entry.amount_cents for entry in case.refunds_there),
        units_ordered=sum(line.quantity for line in case.lines),
        units_deducted=-moved[StockMovement.Kind.DEDUCTED],
        units_back=moved[StockMovement.Kind.RETURNED],
        mails_due=sum(1 for _ in mails_due(case)),
        mails_sent=sum(mail.status == Notification.Status.SENT for mail in case.mails),
        differences=tuple(difference.code for difference in differences),
    )


def _midnight(day: date) -> datetime:
    return timezone.make_aware(
        datetime.combine(day, time_of_day.min), timezone.get_default_timezone()
    )


def facts(proof: Proof) -> dict[str, Any]:
    """Everything that the report says, as JSON knows it: texts, whole numbers, lists."""
    return {
        "format": FORMAT,
        "shop": settings.SHOP_NAME,
        "site": settings.SITE_URL,
        "about": proof.about,
        "time_zone": settings.TIME_ZONE,
        "made_at": proof.made_at.isoformat(timespec="seconds"),
        "books_read_at": proof.report.books_read_at.isoformat(timespec="seconds"),
        "holds": proof.report.ok,
        "totals": proof.totals,
        "counts": proof.report.counts,
        "rules": [
            {
                "code": rule.code,
                "promise": rule.kind,
                "rule": rule.title,
                "checked": rule.checked,
                "differences": len(rule.breaches),
            }
            for rule in proof.report.rules
        ],
        "differences": [_difference(difference) for difference in proof.report.differences],
        "orders": [{**_fields(row), "differences": list(row.differences)} for row in proof.rows],
    }


def _difference(difference: Difference) -> dict[str, Any]:
    kind = difference.kind
    return {
        "code": difference.code,
        "promise": kind.promise,
        "what": kind.title,
        "about": difference.subject,
        "found": difference.detail,
        "consequence": kind.consequence,
        "mend": kind.mend,
        "repairable": kind.repairable,
    }


def _fields(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Row.__annotations__}
