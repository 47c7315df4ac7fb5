"""Filters of the list of orders: by every state, and by what waits for somebody."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet, TextChoices
from django.http import HttpRequest

from orders.attention import RULES, needing_attention
from orders.models import Order, Payment, Refund, Return
from orders.states import PaymentStatus, RefundStatus, ReturnStatus


class NeedsAttention(admin.SimpleListFilter):
    title = "needs attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("any", "For any reason"), *((rule.name, rule.title) for rule in RULES.values())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        wanted = self.value()
        if wanted is None:
            return queryset
        return queryset.filter(pk__in=needing_attention([] if wanted == "any" else [wanted]))


class _RelatedState(admin.SimpleListFilter):
    """Orders that have a payment, refund or return in this state."""

    model: type[Model]
    states: type[TextChoices]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(str(value), str(words)) for value, words in self.states.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        wanted = self.value()
        if wanted is None:
            return queryset
        rows = self.model._default_manager.filter(status=wanted).order_by()
        return queryset.filter(pk__in=rows.values("order_id"))


class HasPayment(_RelatedState):
    title = "payment"
    parameter_name = "payment"
    model = Payment
    states = PaymentStatus


class HasRefund(_RelatedState):
    title = "refund"
    parameter_name = "refund"
    model = Refund
    states = RefundStatus


class HasReturn(_RelatedState):
    title = "return"
    parameter_name = "return"
    model = Return
    states = ReturnStatus
