"""What is asked about a rehearsal before it begins."""

from typing import Any

from django import forms
from django.db.models import Sum
from django.http import QueryDict
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from shop.flash_sales.models import FlashSale
from shop.flash_sales.models.rehearsal import MOST_HOLD_SECONDS, MOST_PEOPLE, MOST_UNITS
from shop.flash_sales.rehearsing import NewRehearsal
from shop.flash_sales.states import Kill

_USUAL_UNITS = 100


def _number(label: str, low: int, high: int, initial: int, help_text: str) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        min_value=low,
        max_value=high,
        initial=initial,
        help_text=help_text,
        widget=UnfoldAdminIntegerFieldWidget,
    )


def _percent(label: str, initial: int, help_text: str) -> forms.IntegerField:
    return _number(f"{label}, in %", 0, 100, initial, help_text)


class RehearseForm(forms.Form):
    use_required_attribute = False

    units = _number("Units on sale", 1, MOST_UNITS, _USUAL_UNITS, f"1 to {MOST_UNITS:,}.")
    crowd = _number("People who come", 1, MOST_PEOPLE, 1_000, f"1 to {MOST_PEOPLE:,}.")
    declines_percent = _percent("Their card is declined", 10, "Of all who come.")
    abandon_percent = _percent(
        "They walk away", 10, "With a ticket in hand: they let it expire, or give it back."
    )
    bots_percent = _percent("Bots", 2, "Forged tokens, and households that come under ten names.")
    double_click_percent = _percent(
        "They press twice", 20, "Every button at the same moment. May be any of the others."
    )
    hold_seconds = _number("Seconds that a ticket lasts", 10, MOST_HOLD_SECONDS, 20, "")
    kill = forms.ChoiceField(
        label="Kill while it runs",
        choices=Kill.choices,
        required=False,
        help_text="One part about every ten seconds, as a crash would. It comes back by itself.",
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, sale: FlashSale, data: QueryDict | None = None) -> None:
        super().__init__(data)
        units = sale.items.aggregate(all=Sum("units"))["all"] or _USUAL_UNITS
        self.fields["units"].initial = min(units, MOST_UNITS)
        self.fields["hold_seconds"].initial = min(sale.hold_seconds, MOST_HOLD_SECONDS)
        self.fields["hold_seconds"].help_text = (
            f"10 to {MOST_HOLD_SECONDS}. The sale's own are {sale.hold_seconds}; fewer make it "
            "shorter, since those who walk away keep a unit for so long."
        )

    def clean(self) -> dict[str, Any]:
        facts = self.cleaned_data
        names = ("declines_percent", "abandon_percent", "bots_percent")
        together = sum(facts.get(name, 0) for name in names)
        if together > 100:
            self.add_error(
                None,
                f"Declined cards, people who walk away and bots are {together} % together: 100 % "
                "is everybody.",
            )
        return facts

    def wishes(self) -> NewRehearsal:
        """Of a valid form."""
        facts = self.cleaned_data
        return NewRehearsal(**{**facts, "kill": Kill(facts["kill"])})
