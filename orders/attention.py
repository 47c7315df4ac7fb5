"""Which orders wait for a member of the staff, and why, in words.

Each rule is a set of orders that is found from the rows that are wrong, by their own index, never
by looking at every order. The list's filter, its column and the order's page read the same rules.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    F,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Now, Substr

from orders.models import Notification, Order, OrderLine, Payment, Refund, Return
from orders.states import (
    CLOSED_ORDERS,
    OPEN_REFUNDS,
    FulfilmentStatus,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    ReturnStatus,
)
from tasks.models import DeadLetter

OrderIds = QuerySet[Any, Any]
"""Rows whose ``about`` is an order's id."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``words`` say what is wrong and what to do."""

    name: str
    title: str
    words: str
    orders: Callable[[], OrderIds]


def needing_attention(rule_names: Iterable[str] = ()) -> OrderIds:
    """Ids of the orders that wait for somebody; by all rules when none is named. A name that is no
    rule finds nothing."""
    names = set(rule_names) or set(RULES)
    found = [rule.orders().values_list("about") for rule in RULES.values() if rule.name in names]
    if not found:
        return Order.objects.none().values_list("pk")
    return found[0].union(*found[1:]) if len(found) > 1 else found[0]


def reasons(order_ids: Iterable[int]) -> dict[int, list[Rule]]:
    """Why each of these orders waits, most pressing first; one query. Without a reason: no key."""
    wanted = list(order_ids)
    parts = [
        rule.orders()
        .filter(about__in=wanted)
        .annotate(rule=Value(rule.name))
        .values_list("about", "rule")
        for rule in RULES.values()
    ]
    found: dict[int, set[str]] = defaultdict(set)
    for about, name in parts[0].union(*parts[1:]):
        found[about].add(name)
    return {
        order_id: [rule for rule in RULES.values() if rule.name in names]
        for order_id, names in found.items()
    }


_NUMBER = BigIntegerField()


def _about(rows: QuerySet[Any], field: str = "order_id") -> OrderIds:
    # Without the model's own ordering, which has no place in a part of a union.
    found: OrderIds = rows.annotate(about=F(field)).order_by()
    return found


def _older_than(rows: QuerySet[Any], column: str, age: timedelta) -> QuerySet[Any]:
    return rows.filter(**{f"{column}__lt": Now() - age})


def _overpaid() -> OrderIds:
    given_back = (
        OrderLine.objects.filter(order=OuterRef("order_id"))
        .order_by()
        .values("order")
        .annotate(price=Sum(F("refunded") * F("unit_price_cents")))
        .values("price")
    )
    captured = Payment.objects.filter(status=PaymentStatus.CAPTURED, order__status=OrderStatus.PAID)
    return (
        captured.order_by()
        .values(about=F("order_id"))
        .annotate(
            times=Count("pk"),
            kept=Sum(F("amount_cents") - F("refund_reserved_cents")),
        )
        .filter(
            times__gt=1,
            kept__gt=F("order__total_cents") - Coalesce(Subquery(given_back), 0),
        )
    )


def _money_of_closed_orders() -> OrderIds:
    return _about(
        Payment.objects.filter(
            status=PaymentStatus.CAPTURED,
            order__status__in=CLOSED_ORDERS,
            amount_cents__gt=F("refund_reserved_cents"),
        )
    )


def _refund_refused() -> OrderIds:
    again = Refund.objects.filter(order=OuterRef("order_id"), pk__gt=OuterRef("pk"))
    refused = Refund.objects.filter(status=RefundStatus.REFUSED)
    return _about(refused.exclude(Exists(again)))


def _refund_slow() -> OrderIds:
    waiting = Refund.objects.filter(status__in=OPEN_REFUNDS)
    return _about(_older_than(waiting, "created_at", _bank_patience()))


def _bank_silent() -> OrderIds:
    asked = Payment.objects.filter(status__in=[PaymentStatus.PENDING, PaymentStatus.UNKNOWN])
    return _about(_older_than(asked, "created_at", _bank_patience()))


def _dead_letter() -> OrderIds:
    mail = Notification.objects.filter(pk=OuterRef("number")).values("order_id")
    letters = DeadLetter.objects.filter(
        status=DeadLetter.Status.OPEN, subject__regex=r"^(order|notification):[0-9]{1,18}$"
    )
    return (
        letters.annotate(number=_number_in("subject"))
        .annotate(
            about=Case(
                When(subject__startswith="order:", then=F("number")),
                default=Subquery(mail),
                output_field=_NUMBER,
            )
        )
        .order_by()
    )


def _number_in(subject: str) -> Case:
    # Other subjects have no number behind the colon; CASE keeps them away from the cast, whatever
    # the planner asks first.
    return Case(
        When(subject__regex=r"^order:[0-9]{1,18}$", then=Cast(Substr(subject, 7), _NUMBER)),
        When(subject__regex=r"^notification:[0-9]{1,18}$", then=Cast(Substr(subject, 14), _NUMBER)),
        default=None,
        output_field=_NUMBER,
    )


def _mail_refused() -> OrderIds:
    later = Notification.objects.filter(
        order=OuterRef("order_id"), kind=OuterRef("kind"), pk__gt=OuterRef("pk")
    )
    refused = Notification.objects.filter(status=Notification.Status.REFUSED)
    return _about(refused.exclude(Exists(later)))


def _unshipped() -> OrderIds:
    left = OrderLine.objects.filter(
        order=OuterRef("pk"), quantity__gt=F("withdrawn") + F("shipped")
    )
    paid = Order.objects.filter(
        Exists(left),
        status=OrderStatus.PAID,
        fulfilment__in=[
            FulfilmentStatus.UNFULFILLED,
            FulfilmentStatus.PACKED,
            FulfilmentStatus.PARTLY_SHIPPED,
        ],
    )
    patience = timedelta(hours=settings.SHIP_WITHIN_HOURS)
    return _about(_older_than(paid, "paid_at", patience), "pk")


def _return_announced() -> OrderIds:
    return _about(Return.objects.filter(status=ReturnStatus.ANNOUNCED))


def _bank_patience() -> timedelta:
    return timedelta(minutes=settings.BANK_PATIENCE_MINUTES)


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "overpaid",
            "Overpaid",
            "More was paid than the order costs. Refund what is too much.",
            _overpaid,
        ),
        Rule(
            "closed_money",
            "Money of a closed order",
            "The order is closed, but money of it is still here. Refund it.",
            _money_of_closed_orders,
        ),
        Rule(
            "refund_refused",
            "Refund refused",
            "The bank refused a refund and none was asked for since. Refund in another way, or "
            "ask the shopper for an account.",
            _refund_refused,
        ),
        Rule(
            "dead_letter",
            "Dead letter",
            "A step of this order ended badly and waits for a person. Look at its dead letter.",
            _dead_letter,
        ),
        Rule(
            "bank_silent",
            "Bank silent",
            "The bank has not answered about a payment for long. Ask it again, or look at the "
            "provider's page.",
            _bank_silent,
        ),
        Rule(
            "refund_slow",
            "Refund under way for long",
            "A refund has not moved for long. It is asked for again by itself; look at the "
            "provider's page.",
            _refund_slow,
        ),
        Rule(
            "mail_refused",
            "Mail refused",
            "The mail server refused a mail. Check the address, then send it again.",
            _mail_refused,
        ),
        Rule(
            "unshipped",
            "Not shipped in time",
            "It is paid, and units of it have waited too long to be shipped.",
            _unshipped,
        ),
        Rule(
            "return_announced",
            "Return announced",
            "Units are on their way back. Receive them when they arrive.",
            _return_announced,
        ),
    )
}
