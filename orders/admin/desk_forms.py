"""What the order desk asks for before each deed."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from orders.admin.desk_fields import DeskForm, LinesForm, amount, cents, reason, whole_number
from orders.carriers import CARRIERS
from orders.models import OrderLine, ReturnLine
from orders.money import format_cents
from orders.services.lines import LineQuantity
from orders.services.returns import ReceivedLine

_RESTOCK_HELP = "Leave it empty when they cannot be sold any more: they are written off."


def carrier() -> forms.ChoiceField:
    return forms.ChoiceField(
        label="Carrier",
        required=False,
        choices=[("", "not told"), *CARRIERS.items()],
        widget=UnfoldAdminSelectWidget,
    )


def restock(label: str) -> forms.BooleanField:
    return forms.BooleanField(
        label=label,
        required=False,
        initial=True,
        help_text=_RESTOCK_HELP,
        widget=UnfoldBooleanWidget,
    )


class ShipForm(LinesForm):
    column = "to ship"
    carrier = carrier()
    tracking_code = forms.CharField(
        label="Tracking code",
        required=False,
        max_length=80,
        help_text="The shopper's mail and page link to the parcel with it.",
        widget=UnfoldAdminTextInputWidget,
    )

    def limit(self, line: OrderLine) -> int:
        return line.to_ship


class CancelForm(DeskForm):
    reason = reason("Why is the order cancelled?")
    restock = restock("Put packed units back on the shelf")


class RefundForm(LinesForm):
    """Everything that is left, the price of some units, or an amount."""

    ALL, LINES, AMOUNT = "all", "lines", "amount"
    column = "to refund"
    filled_in = False
    field_order = ["form_key", "what", "amount", "restock", "reason"]
    what = forms.ChoiceField(
        label="What goes back?",
        initial=ALL,
        choices=[
            (ALL, "everything that is left"),
            (LINES, "the price of the units chosen below"),
            (AMOUNT, "the amount below, for no unit"),
        ],
        error_messages={"required": "Choose what goes back."},
        widget=UnfoldAdminRadioSelectWidget,
    )
    amount = amount(
        "Amount",
        "With units: what goes back for them, if it is less than their price. Else leave it empty.",
    )
    restock = restock("Put units that were not shipped back on the shelf")
    reason = reason("Why does it go back?")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        left = sum(payment.refundable_cents for payment in self.order.payments.all())
        self.fields["amount"].help_text += f" At most {format_cents(left, self.order.currency)}."

    def limit(self, line: OrderLine) -> int:
        return line.refundable

    def chosen(self) -> tuple[LineQuantity, ...]:
        by_line = self.cleaned_data.get("what") == self.LINES
        return super().chosen() if by_line else ()

    @property
    def amount_cents(self) -> int | None:
        given = self.cleaned_data.get("amount")
        return None if given is None or self.cleaned_data["what"] == self.ALL else cents(given)

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if self.errors:
            return given
        if self._contradicts(given):
            return given
        if given["what"] == self.LINES and not self.chosen():
            raise forms.ValidationError("Choose at least one unit, or another way to refund.")
        if given["what"] == self.AMOUNT and self.amount_cents is None:
            self.add_error("amount", "Write the amount that goes back.")
        price = self._price()
        if given["what"] == self.LINES and (self.amount_cents or 0) > price:
            most = format_cents(price, self.order.currency)
            self.add_error("amount", f"These units cost {most}. Write less, or leave it empty.")
        return given

    def _contradicts(self, given: dict[str, Any]) -> bool:
        """Somebody who wrote an amount or units did not mean everything."""
        what = given["what"]
        if what == self.ALL and given.get("amount") is not None:
            self.add_error("what", "You wrote an amount. Choose what it is for, or clear it.")
        elif what != self.LINES and super().chosen():
            self.add_error(
                "what", "You chose units. Choose “the price of the units”, or clear them."
            )
        return bool(self.errors)

    def _price(self) -> int:
        prices = {line.pk: line.unit_price_cents for line in self.order.lines.all()}
        return sum(prices[item.line_id] * item.quantity for item in self.chosen())


class AnnounceReturnForm(LinesForm):
    column = "coming back"
    filled_in = False
    reason = reason("Why do they come back?", limit=300)

    def limit(self, line: OrderLine) -> int:
        return line.returnable


def _refunded(choices: list[tuple[str, str]]) -> forms.ChoiceField:
    return forms.ChoiceField(
        label="What is refunded?",
        initial=choices[0][0],
        choices=choices,
        error_messages={"required": "Choose what is refunded."},
        widget=UnfoldAdminRadioSelectWidget,
    )


class ReceiveReturnForm(DeskForm):
    """What came of a return, in which shape, and what is refunded for it."""

    PRICE, AMOUNT, NOTHING = "price", "amount", "nothing"
    WITHOUT_AMOUNT = [(PRICE, "the price of what came"), (NOTHING, "nothing")]
    what = _refunded([*WITHOUT_AMOUNT, (AMOUNT, "the amount below")])
    amount = amount("Amount", "Only for a refund of another amount than the price.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.user.has_perm("orders.refund_order"):
            # Whoever may receive may give back the price, not an amount of their own choice.
            del self.fields["amount"]
            self.fields["what"] = _refunded(self.WITHOUT_AMOUNT)
        for item in self._items():
            for part in ("received", "restocked"):
                self.fields[f"{part}__{item.line_id}"] = whole_number(
                    f"{part} of {item.line.title}",
                    initial=item.quantity,
                    limit=item.quantity,
                    most=item.quantity,
                )

    def _items(self) -> list[ReturnLine]:
        return list(self.target.lines.all())

    def columns(self) -> list[str]:
        return ["received", "back on the shelf"]

    def table(self) -> list[tuple[OrderLine, list[forms.BoundField]]]:
        return [
            (item.line, [self[f"received__{item.line_id}"], self[f"restocked__{item.line_id}"]])
            for item in self._items()
        ]

    def received(self) -> tuple[ReceivedLine, ...]:
        given = self.cleaned_data
        return tuple(
            ReceivedLine(
                item.line_id,
                given.get(f"received__{item.line_id}") or 0,
                given.get(f"restocked__{item.line_id}") or 0,
            )
            for item in self._items()
        )

    @property
    def refund_cents(self) -> int | None:
        """None: the price of what came."""
        match self.cleaned_data["what"]:
            case self.PRICE:
                return None
            case self.NOTHING:
                return 0
            case _:
                return cents(self.cleaned_data["amount"])

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if "amount" in self.fields and "amount" not in self.errors:
            by_amount = given.get("what") == self.AMOUNT
            if by_amount and given.get("amount") is None:
                self.add_error("amount", "Write the amount that is refunded.")
            if not by_amount and given.get("amount") is not None:
                self.add_error(
                    "what", "You wrote an amount. Choose “the amount below”, or clear it."
                )
        for item in self._items():
            shelf, came = f"restocked__{item.line_id}", f"received__{item.line_id}"
            if (given.get(shelf) or 0) > (given.get(came) or 0):
                self.add_error(shelf, "No more can go on the shelf than came.")
        return given
