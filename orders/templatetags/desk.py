"""Words and colours of the order desk's pages."""

from django import template
from django.utils.html import format_html

from orders.carriers import CARRIERS, tracking_url
from orders.models import Shipment
from orders.money import format_cents

register = template.Library()

_COLOURS = {
    "good": {"paid", "captured", "packed", "shipped", "delivered", "moved", "sent", "received"},
    "bad": {"payment_failed", "expired", "cancelled", "declined", "refused"},
    "odd": {"unknown", "action_required", "lapsed", "partly_shipped"},
}


@register.filter
def in_money(cents: int, currency: str) -> str:
    return format_cents(cents, currency)


@register.simple_tag
def state(value: str, words: str) -> str:
    """A state as a coloured label."""
    colour = next((name for name, values in _COLOURS.items() if value in values), "plain")
    return format_html('<span class="desk-state desk-{}">{}</span>', colour, words)


@register.simple_tag
def parcel_link(parcel: Shipment) -> str:
    """The carrier and the tracking code, with a link where the carrier has a page."""
    carrier = CARRIERS.get(parcel.carrier, parcel.carrier)
    words = " ".join(part for part in (carrier, parcel.tracking_code) if part) or "not told"
    url = tracking_url(parcel.carrier, parcel.tracking_code)
    if not url:
        return words
    return format_html(
        '<a class="desk-link" href="{}" target="_blank" rel="noreferrer">{}</a>', url, words
    )
