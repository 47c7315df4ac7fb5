"""What happened so far: the timeline's events that a shopper should read, in their words.

The timeline is written for the staff, and its reasons may not be meant for the shopper. So its own
text is shown only where it is the bank's or repeats what the shopper knows.
"""

from orders.models import TimelineEvent
from orders.services.timeline import SHOPPER
from orders.story.parts import Entry

_WORDS = {
    "placed": "You ordered.",
    "card_changed": "You gave another card.",
    "bank_silent": "The bank did not answer; we went on asking.",
    "action_required": "The bank wanted to see you.",
    "packed": "Packed.",
    "expired": "Not paid in time; your things went back on sale.",
    "late_money_kept": "Your money came late; your things were still there.",
    "late_money_refunded": "Your money came too late and goes back.",
    "overpaid": "The bank sent money a second time.",
    "refund_requested": "We asked the bank to send money back.",
    "refund_refused": "The bank refused to send money back.",
    "shipped": "A parcel left us.",
    "delivered": "A parcel arrived.",
    "return_withdrawn": "The return was called off.",
    "return_lapsed": "The return did not reach us in time.",
    "return_received": "Your return reached us.",
    "erased": "Your personal data was erased.",
}
_AS_WRITTEN = {"paid", "payment_cancelled", "refunded"}
_BY_SHOPPER = {
    "cancelled": ("You cancelled the order.", "We cancelled the order."),
    "return_announced": ("You announced a return.", "We wrote down that something comes back."),
}


def history(events: list[TimelineEvent]) -> tuple[Entry, ...]:
    """In the order in which it happened; kinds that are not listed above are left out."""
    told = ((_words(event), event.at) for event in events)
    return tuple(Entry(text, at) for text, at in told if text)


def _words(event: TimelineEvent) -> str:
    if event.kind in _AS_WRITTEN:
        return event.text
    if event.kind == "declined":
        return f"Declined: {event.text}"
    if event.kind in _BY_SHOPPER:
        ours, theirs = _BY_SHOPPER[event.kind]
        return ours if event.actor == SHOPPER else theirs
    return _WORDS.get(event.kind, "")
