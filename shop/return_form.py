"""Which units come back, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from orders.services.lines import LineQuantity

if TYPE_CHECKING:
    from orders.models import Order, OrderLine


class ReturnForm(forms.Form):
    """One field for each line of which something can come back. Call ``is_valid`` first, then
    ``lines`` and ``reason`` are what ``announce_return`` wants."""

    use_required_attribute = False

    reason = forms.CharField(
        label="What is wrong with it?",
        required=False,
        max_length=300,
        error_messages={"max_length": "This is longer than 300 characters. Please shorten it."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, order: Order, data: Any = None) -> None:
        super().__init__(data)
        self.order_lines = [line for line in order.lines.all() if line.returnable]
        for line in self.order_lines:
            self.fields[_name(line)] = _quantity_field(line, alone=len(self.order_lines) == 1)

    @property
    def choices(self) -> list[tuple[OrderLine, forms.BoundField]]:
        """Each line with its field, for the page."""
        return [(line, self[_name(line)]) for line in self.order_lines]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not any(cleaned.get(_name(line)) for line in self.order_lines):
            raise forms.ValidationError("Choose at least one thing that you send back.")
        return cleaned

    @property
    def lines(self) -> tuple[LineQuantity, ...]:
        chosen = ((line, self._typed(_name(line))) for line in self.order_lines)
        return tuple(LineQuantity(line.pk, int(number)) for line, number in chosen if number)

    @property
    def reason_given(self) -> str:
        return str(self._typed("reason") or "")

    def _typed(self, name: str) -> Any:
        return getattr(self, "cleaned_data", {}).get(name)


def _name(line: OrderLine) -> str:
    return f"line-{line.pk}"


def _quantity_field(line: OrderLine, *, alone: bool) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=f"{line.title}: how many come back?",
        choices=[(number, str(number)) for number in range(line.returnable + 1)],
        coerce=int,
        required=False,
        # With one line there is no doubt what is meant.
        initial=1 if alone else 0,
        error_messages={
            "invalid_choice": f"At most {line.returnable} of these can come back. Please choose."
        },
    )
