"""The forms of a sale's deeds. What the sale's state allows is decided by the services."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from shop.flash_sales.models import FlashSale

_MOST_UNITS = 1_000_000


class DeedForm(forms.Form):
    """A form for one sale; this one asks nothing."""

    use_required_attribute = False

    def __init__(self, sale: FlashSale, data: QueryDict | None = None) -> None:
        self.sale = sale
        super().__init__(data)


class ItemForm(DeedForm):
    sku = forms.CharField(max_length=64, label="SKU", widget=UnfoldAdminTextInputWidget)
    title = forms.CharField(
        max_length=200,
        label="Name",
        help_text="As it stands on the sale's page and on the order.",
        widget=UnfoldAdminTextInputWidget,
    )
    price = forms.DecimalField(
        min_value=Decimal("0.01"),
        max_digits=9,
        decimal_places=2,
        help_text="For one unit, with tax.",
        widget=UnfoldAdminDecimalFieldWidget,
    )
    units = forms.IntegerField(
        min_value=1, max_value=_MOST_UNITS, widget=UnfoldAdminIntegerFieldWidget
    )

    def __init__(self, sale: FlashSale, data: QueryDict | None = None) -> None:
        super().__init__(sale, data)
        self.fields["price"].label = f"Price in {settings.CURRENCY}"

    def clean(self) -> dict[str, Any]:
        facts = self.cleaned_data
        if "price" in facts:
            facts["price_cents"] = int(facts["price"] * 100)
        return facts


class UnitsForm(DeedForm):
    """The choice holds the units that were seen with it, so that a second press adds nothing."""

    item = forms.TypedChoiceField(
        coerce=lambda value: tuple(int(part) for part in value.split(":")),
        widget=UnfoldAdminSelectWidget,
        error_messages={
            "invalid_choice": "The item has other units than when this page was drawn. Look at "
            "them, and say again how many more you want."
        },
    )
    quantity = forms.IntegerField(
        min_value=1,
        max_value=_MOST_UNITS,
        label="Units more",
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, sale: FlashSale, data: QueryDict | None = None) -> None:
        super().__init__(sale, data)
        self.fields["item"].choices = [  # type: ignore[attr-defined]  # it is a choice field
            (f"{item.pk}:{item.units}", f"{item.title} ({item.sku}), {item.units} now")
            for item in sale.items.all()
        ]


class AnnounceForm(DeedForm):
    sure = forms.BooleanField(label="Items, prices and times are right", widget=UnfoldBooleanWidget)


class PauseForm(DeedForm):
    reason = forms.CharField(
        min_length=3,
        max_length=200,
        help_text="Everybody in line reads it.",
        widget=UnfoldAdminTextInputWidget,
    )


class RateForm(DeedForm):
    per_second = forms.IntegerField(
        min_value=1,
        max_value=10_000,
        label="People a second",
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, sale: FlashSale, data: QueryDict | None = None) -> None:
        super().__init__(sale, data)
        self.fields["per_second"].initial = sale.admission_per_second


class EndForm(DeedForm):
    sure = forms.BooleanField(label="Yes, end it for good", widget=UnfoldBooleanWidget)
