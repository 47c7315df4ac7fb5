"""The forms of the checkout. Card data passes through and is never kept, echoed or logged."""

import re
from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.utils import timezone

from orders.errors import UnknownCard
from orders.services.cards import Card, tokenize
from orders.services.placement import Address, LineRequest, PlaceOrder
from shop.cart import Cart
from shop.countries import COUNTRIES

_EXPIRY = re.compile(r"(0[1-9]|1[0-2])\s*/?\s*(?:20)?([0-9]{2})", re.ASCII)


class UnechoedInput(forms.TextInput):
    """A text field whose value is never written back into a page."""

    def format_value(self, value: Any) -> None:
        return None


def _text(label: str, limit: int, missing: str, **attrs: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=limit,
        error_messages={
            "required": missing,
            "max_length": f"This is longer than {limit} characters. Please shorten it.",
        },
        widget=forms.TextInput(attrs=attrs),
    )


class CardForm(forms.Form):
    """Card number, expiry and CVC. After is_valid(), `card` is the provider's token for it."""

    use_required_attribute = True

    card_number = forms.CharField(
        label="Card number",
        max_length=40,
        error_messages={"required": "The card number is missing. It is on the front of the card."},
        widget=UnechoedInput(
            attrs={
                "inputmode": "numeric",
                "autocomplete": "cc-number",
                "placeholder": "1234 1234 1234 1234",
            }
        ),
    )
    card_expiry = forms.CharField(
        label="Expiry date",
        max_length=12,
        error_messages={"required": "The expiry date is missing. Write month and year: MM/YY."},
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "autocomplete": "cc-exp", "placeholder": "MM/YY"}
        ),
    )
    card_cvc = forms.CharField(
        label="CVC",
        max_length=8,
        error_messages={"required": "The CVC is missing. It is the short number on the back."},
        widget=UnechoedInput(
            attrs={"inputmode": "numeric", "autocomplete": "cc-csc", "placeholder": "123"}
        ),
    )

    card: Card

    def clean_card_number(self) -> str:
        try:
            self.card = tokenize(self.cleaned_data["card_number"])
        except UnknownCard as error:
            raise forms.ValidationError(str(error)) from None
        return ""

    def clean_card_expiry(self) -> str:
        text = self.cleaned_data["card_expiry"].strip()
        if not (match := _EXPIRY.fullmatch(text)):
            raise forms.ValidationError("This is not a date. Write month and year: MM/YY.")
        if has_expired(int(match[1]), 2000 + int(match[2]), timezone.localdate()):
            raise forms.ValidationError("This card has expired. Please use another one.")
        return f"{match[1]}/{match[2]}"

    def clean_card_cvc(self) -> str:
        if not re.fullmatch(r"[0-9]{3,4}", self.cleaned_data["card_cvc"].strip(), re.ASCII):
            raise forms.ValidationError("A CVC has 3 or 4 digits. It is on the back of the card.")
        return ""


class AddressForm(forms.Form):
    """Where a parcel goes. Limits are those of the order's columns."""

    name = _text("Full name", 120, "The name is missing. Who gets the parcel?", autocomplete="name")
    line1 = _text(
        "Street and number",
        160,
        "The street is missing. Where does the parcel go?",
        autocomplete="address-line1",
    )
    line2 = forms.CharField(
        label="Flat, floor, company",
        max_length=160,
        required=False,
        error_messages={
            "max_length": "This is longer than 160 characters. Please shorten it.",
        },
        widget=forms.TextInput(attrs={"autocomplete": "address-line2"}),
    )
    postcode = _text(
        "Postcode", 20, "The postcode is missing. Please add it.", autocomplete="postal-code"
    )
    city = _text("City", 100, "The city is missing. Please add it.", autocomplete="address-level2")
    country = forms.ChoiceField(
        label="Country",
        choices=[("", "Choose a country"), *COUNTRIES],
        error_messages={
            "required": "The country is missing. Please choose one.",
            "invalid_choice": "We do not ship there. Please choose a country of the list.",
        },
        widget=forms.Select(attrs={"autocomplete": "country"}),
    )

    def address(self) -> Address:
        """Call after is_valid()."""
        typed = self.cleaned_data
        return Address(
            **{name: typed[name] for name in ("name", "line1", "line2", "postcode", "city")},
            country=typed["country"],
        )


class CheckoutForm(AddressForm, CardForm):
    """Contact, delivery address and card."""

    field_order = ["email", "name", "line1", "line2", "postcode", "city", "country"]

    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        help_text="For the receipt and the link to your order.",
        error_messages={
            "required": "The e-mail address is missing. We send your receipt there.",
            "invalid": "This is not an e-mail address. It looks like name@example.org.",
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email"}),
    )
    keep_address = forms.BooleanField(label="Keep this address in my account", required=False)

    def command(
        self, key: UUID, cart: Cart, *, customer_id: int | None, language: str
    ) -> PlaceOrder:
        """The order for this cart at the prices it shows; ``customer_id`` None is a guest's. Call
        after is_valid()."""
        return PlaceOrder(
            idempotency_key=key,
            email=self.cleaned_data["email"],
            address=self.address(),
            lines=tuple(
                LineRequest(line.offer.sku, line.offer.title, line.offer.price_cents, line.quantity)
                for line in cart.lines
            ),
            card=self.card,
            currency=settings.CURRENCY,
            customer_id=customer_id,
            language=language,
        )


def has_expired(month: int, year: int, today: date) -> bool:
    """A card is good until the last day of its month."""
    return (year, month) < (today.year, today.month)
