"""Fields of the order desk's forms: the form's key, units of lines, amounts, reasons."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib.auth.models import PermissionsMixin
from django.http import QueryDict
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
)

from orders.models import Order, OrderLine
from orders.services.lines import LineQuantity


class DeskForm(forms.Form):
    """A form for one order. Its key is drawn with it and makes a second press the same deed.

    What the state allows is decided by the service, under the order's lock. The form only refuses
    what could never be right, so that the twin of a form that has just worked is no error.
    """

    use_required_attribute = False
    form_key = forms.UUIDField(
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(
            ("required", "invalid"), "This page was out of date. Please look at it and send again."
        ),
    )

    def __init__(
        self, order: Order, target: Any, user: PermissionsMixin, data: QueryDict | None = None
    ) -> None:
        self.order = order
        self.target = target
        self.user = user
        super().__init__(data, initial={"form_key": uuid4()})

    @property
    def key(self) -> UUID:
        key: UUID = self.cleaned_data["form_key"]
        return key

    def rows(self) -> list[forms.BoundField]:
        """The fields that stand one below the other; those of ``tables`` stand in tables."""
        return [field for field in self.visible_fields() if "__" not in field.name]

    def columns(self) -> list[str]:
        return []

    def table(self) -> list[tuple[OrderLine, list[forms.BoundField]]]:
        """Per line, one field for each of ``columns``."""
        return []


class LinesForm(DeskForm):
    """Units of the order's lines: how many of each."""

    column = "units"
    filled_in = True
    must_choose = "Choose at least one unit."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for line in self.lines():
            limit = self.limit(line)
            self.fields[f"units__{line.pk}"] = whole_number(
                f"{self.column} of {line.title}",
                initial=limit if self.filled_in else 0,
                limit=limit,
                most=line.quantity,
            )

    def limit(self, line: OrderLine) -> int:
        """How many units the page offers; the service has the last word."""
        raise NotImplementedError

    def lines(self) -> list[OrderLine]:
        lines = self.order.lines.all()
        return [line for line in lines if self.is_bound or self.limit(line) > 0]

    def columns(self) -> list[str]:
        return [self.column]

    def table(self) -> list[tuple[OrderLine, list[forms.BoundField]]]:
        return [(line, [self[f"units__{line.pk}"]]) for line in self.lines()]

    def chosen(self) -> tuple[LineQuantity, ...]:
        return quantities(self.cleaned_data, self.lines(), LineQuantity)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if not self.errors and not self.chosen():
            raise forms.ValidationError(self.must_choose)
        return given


def quantities(
    given: dict[str, Any],
    lines: Iterable[OrderLine],
    make: Callable[[int, int], LineQuantity],
) -> tuple[LineQuantity, ...]:
    named = ((line.pk, given.get(f"units__{line.pk}") or 0) for line in lines)
    return tuple(make(pk, quantity) for pk, quantity in named if quantity)


def whole_number(label: str, *, initial: int, limit: int, most: int) -> forms.IntegerField:
    """Units, from 0. The browser is told ``limit``; above ``most`` it can never be right."""
    return forms.IntegerField(
        label=label,
        required=False,
        initial=initial,
        min_value=0,
        max_value=most,
        error_messages={
            "invalid": "Write a whole number, like 1.",
            "min_value": "Write 0 or more.",
            "max_value": "The line has %(limit_value)s units.",
        },
        widget=UnfoldAdminIntegerFieldWidget(
            attrs={"max": limit, "min": 0, "inputmode": "numeric", "aria-label": label}
        ),
    )


def amount(label: str, help_text: str) -> forms.DecimalField:
    """Money as people write it; ``cents`` reads it."""
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        help_text=help_text,
        error_messages={
            "invalid": "Write an amount, like 12.50.",
            "min_value": "Write an amount above 0.",
            "max_decimal_places": "Write an amount with at most two decimals, like 12.50.",
        },
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "0.01", "inputmode": "decimal"}),
    )


def cents(given: Decimal) -> int:
    return int(given * 100)


def reason(label: str, *, limit: int = 200) -> forms.CharField:
    return forms.CharField(
        label=label,
        min_length=3,
        max_length=limit,
        help_text="It is kept on the order's timeline, with your name.",
        error_messages={"required": "Say why. The order's timeline keeps it."},
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
