"""Stock and its ledger, as staff see them."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import admin
from django.db.models import F, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action

from orders.admin.stock_import import StockImport
from orders.admin.stock_moves import CORRECT, RECEIVE, WRITE_OFF, Move, move_page
from orders.models import StockItem, StockMovement
from orders.services.low_stock import set_low_mark
from orders.stock_books import StockBooks, books_of, with_books
from tasks.admin_base import ReadOnlyAdmin, badge

_NEWEST_MOVEMENTS = 30
Page = TypeVar("Page", bound=Callable[..., HttpResponse])


def _button(title: str, *, icon: str, permission: str) -> Callable[[Page], Page]:
    """A page behind a button, for whom ``has_<permission>_permission`` of the admin lets in."""
    decorator: Callable[[Page], Page] = action(
        description=title, icon=icon, permissions=[permission]
    )
    return decorator


class LowFilter(admin.SimpleListFilter):
    title = "what is left"
    parameter_name = "left"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("low", "low"), ("none", "nothing")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        match self.value():
            case "low":
                return queryset.filter(low_at__gt=0, on_hand__lte=F("held") + F("low_at"))
            case "none":
                return queryset.filter(on_hand__lte=F("held"))
        return queryset


@admin.register(StockItem)
class StockItemAdmin(StockImport, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """``low_at`` is all that the form changes; units move through the ledger only."""

    list_display = ["sku", "shown_available", "on_hand", "held", "equation", "low_at"]
    list_filter = [LowFilter]
    list_per_page = 50
    search_fields = ["sku"]
    fields = ["sku", ("can_be_sold", "on_hand", "held"), "equation", "low_at", "ledger"]
    readonly_fields = ["sku", "can_be_sold", "on_hand", "held", "equation", "ledger"]
    actions_list = ["receive_any"]
    actions_row = actions_detail = ["receive", "correct", "write_off"]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return with_books(super().get_queryset(request))

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("orders.correct_stock")

    def has_receive_permission(self, request: HttpRequest, object_id: str = "") -> bool:
        return request.user.has_perm("orders.receive_stock")

    def has_correct_permission(self, request: HttpRequest, object_id: str = "") -> bool:
        return request.user.has_perm("orders.correct_stock")

    def save_model(self, request: HttpRequest, obj: StockItem, form: Any, change: bool) -> None:
        # Saved as a whole, the row would get back the counts that it had when the form was drawn.
        set_low_mark(obj.sku, obj.low_at)

    @badge("can be sold", {"low": "warning", "none": "danger", "fine": "success"})
    def shown_available(self, item: StockItem) -> tuple[str, str]:
        left = item.available
        state = "none" if left <= 0 else "low" if left <= item.low_at else "fine"
        return state, str(left)

    @admin.display(description="can be sold")
    def can_be_sold(self, item: StockItem) -> int:
        return item.available

    @admin.display(description="received = sold + on the shelf")
    def equation(self, item: StockItem) -> str:
        books = books_of(item)
        if books.is_right:
            return format_html('<span data-books="right">{}</span>', _in_words(books))
        return format_html(
            '<strong data-books="wrong" style="color:#b91c1c">{}. {}</strong>',
            _in_words(books),
            _what_is_wrong(books),
        )

    @admin.display(description="newest movements")
    def ledger(self, item: StockItem) -> str:
        movements = StockMovement.objects.filter(sku=item.sku).select_related("line__order")
        rows = [(movement, _why(movement)) for movement in movements[:_NEWEST_MOVEMENTS]]
        return render_to_string("orders/stock_ledger.html", {"rows": rows, "sku": item.sku})

    @_button("Receive units", icon="add_box", permission="receive")
    def receive_any(self, request: HttpRequest) -> HttpResponse:
        return move_page(request, self.admin_site, RECEIVE)

    @_button("Receive", icon="add_box", permission="receive")
    def receive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._move(request, RECEIVE, object_id)

    @_button("Correct", icon="edit", permission="correct")
    def correct(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._move(request, CORRECT, object_id)

    @_button("Write off", icon="delete", permission="correct")
    def write_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._move(request, WRITE_OFF, object_id)

    def _move(self, request: HttpRequest, move: Move, object_id: str) -> HttpResponse:
        item = get_object_or_404(StockItem, pk=object_id)
        return move_page(request, self.admin_site, move, sku=item.sku)


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["at", "sku", "kind", "quantity", "who", "why"]
    list_filter = ["kind", "at"]
    list_select_related = ["line__order"]
    search_fields = ["=sku", "=line__order__number", "=actor"]
    fields = ["at", "sku", "kind", "quantity", "who", "why", "cause"]
    readonly_fields = ["who", "why"]

    @admin.display(description="who")
    def who(self, movement: StockMovement) -> str:
        return movement.actor or "worker"

    @admin.display(description="why")
    def why(self, movement: StockMovement) -> str:
        return _why(movement)


def _why(movement: StockMovement) -> str:
    order = f"order {movement.line.order.number}" if movement.line else ""
    return ", ".join(part for part in (order, movement.reason) if part)


def _in_words(books: StockBooks) -> str:
    sign = "=" if books.on_hand == books.expected_on_hand else "≠"
    parts = [
        f"{books.received} {sign} {books.sold} sold + {books.on_hand} on the shelf",
        *([f"{books.written_off} written off"] if books.written_off else []),
    ]
    words = " + ".join(parts)
    if books.corrected:
        # What was found beyond the deliveries stands on the other side, so its sign turns.
        words += f" {'-' if books.corrected > 0 else '+'} {abs(books.corrected)} corrected"
    return words


def _what_is_wrong(books: StockBooks) -> str:
    wrong = []
    if books.on_hand != books.expected_on_hand:
        wrong.append(
            f"The ledger says {books.expected_on_hand} on the shelf, the shelf {books.on_hand}"
        )
    if books.held != books.kept:
        wrong.append(f"Orders keep {books.kept}, the shelf says {books.held} held")
    return "; ".join(wrong) + ". Run 'manage.py audit'"
