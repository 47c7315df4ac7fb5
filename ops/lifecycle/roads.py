"""Where an order can stand when the others come, and what they are likely to do there."""

from ops.lifecycle.bank import Mood

_PAID = ("work",)
_PACKED = (*_PAID, "work")
_SHIPPED = (*_PACKED, "ship")

ROADS: dict[str, tuple[Mood, tuple[str, ...]]] = {
    "placed": (Mood.YES, ()),
    "declined": (Mood.NO, _PAID),
    "at the bank": (Mood.ACTION, _PAID),
    "bank silent": (Mood.SILENT_AFTER, _PAID),
    "paid": (Mood.YES, _PAID),
    "packed": (Mood.YES, _PACKED),
    "shipped": (Mood.YES, _SHIPPED),
    "coming back": (Mood.YES, (*_SHIPPED, "announces_return")),
}
"""The bank's mood at its first call, and the acts that lead there."""

_CANCEL = ("cancel_as_shopper", "cancel_as_staff")
_REFUND = ("refund_all", "refund_line", "refund_amount")

NEAR: dict[str, tuple[str, ...]] = {
    "placed": (*_CANCEL, "work", "work_overtaking", "work_again", "webhook", "place_another"),
    "declined": (*_CANCEL, "another_card", "expire", "bank_takes_it_after_all", "webhook", "work"),
    "at the bank": (
        *(*_CANCEL, "shopper_agrees", "shopper_refuses", "comes_back_from_bank", "gives_up_bank"),
        *("webhook", "expire", "work"),
    ),
    "bank silent": (*_CANCEL, "work", "work_overtaking", "resume", "a_day_goes_by", "webhook"),
    "paid": (*_CANCEL, *_REFUND, "work", "work_overtaking", "resume"),
    "packed": (*_CANCEL, *_REFUND, "ship", "work", "refund_bounces", "webhook"),
    "shipped": (*_REFUND, "ship", "deliver", "announces_return", "work"),
    "coming back": (*_REFUND, "receive", "receive", "withdraws_return", "lapse", "work"),
}
