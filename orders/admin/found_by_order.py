"""Lists of what belongs to orders: found by what finds the order."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from orders.models import Order
from orders.search import find_orders
from tasks.admin_base import ReadOnlyAdmin


class FoundByOrder(ReadOnlyAdmin):
    """Mix in before a ModelAdmin whose rows have an ``order``."""

    # The words are looked for by get_search_results; the admin shows the box because of this.
    search_fields = ["order__number"]
    search_help_text = "Order number, mail address, name, SKU, last four digits of the card"
    list_select_related = ["order"]
    show_full_result_count = False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.split():
            return queryset, False
        found = find_orders(Order.objects.order_by(), search_term)
        return queryset.filter(order__in=found.values("pk")), False
