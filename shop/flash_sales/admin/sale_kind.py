"""The sales of rehearsals are out of the way in the list of sales, unless they are asked for."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from shop.flash_sales.models import FlashSale


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("rehearsals", "Rehearsals"), ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Without a choice it is 'Sales', where Django says 'All'."""
        first, *others = super().choices(changelist)
        yield {**first, "display": "Sales"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[FlashSale]) -> QuerySet[FlashSale]:
        if self.value() == "all":
            return queryset
        return queryset.filter(is_rehearsal=self.value() == "rehearsals")
