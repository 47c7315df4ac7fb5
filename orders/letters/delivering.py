"""Mails about parcels, in both directions, and the money that goes back."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.languages import day, money
from orders.letters.facts import MailFacts, ParcelFacts
from orders.letters.letter import (
    Letter,
    Link,
    destination,
    priced_things,
    see_order,
    things,
)

Fact = TypeVar("Fact")


def order_shipped(facts: MailFacts) -> Letter:
    parcel = _about(facts.parcel)
    track = Link(_("Follow the parcel"), parcel.tracking_url) if parcel.tracking_url else None
    return Letter(
        subject=_("Order %(number)s: a parcel is on its way") % {"number": facts.number},
        headline=_("Your parcel is on its way"),
        before=[
            _("A parcel with things of your order %(number)s is on its way to you.")
            % {"number": facts.number},
            *(_arrived(parcel.delivered_at) or _carried(parcel)),
        ],
        table=things(parcel.units),
        after=_rest(facts) or [_("With it, everything of your order has been sent.")],
        address_label=_("It goes to"),
        address=destination(facts),
        button=track or see_order(facts),
        more=[see_order(facts)] if track else [],
    )


def order_delivered(facts: MailFacts) -> Letter:
    parcel = _about(facts.parcel)
    return Letter(
        subject=_("Order %(number)s: your parcel has arrived") % {"number": facts.number},
        headline=_("Your parcel has arrived"),
        before=[
            _("A parcel with things of your order %(number)s was delivered.")
            % {"number": facts.number},
            *_arrived(parcel.delivered_at),
        ],
        table=things(parcel.units),
        after=[
            *_rest(facts),
            _("Is something not right? You can announce a return on your order's page."),
        ],
        button=see_order(facts),
    )


def refund_sent(facts: MailFacts) -> Letter:
    refund = _about(facts.refund)
    amount = money(refund.cents, facts.currency)
    return Letter(
        subject=_("Order %(number)s: we sent %(amount)s back")
        % {"number": facts.number, "amount": amount},
        headline=_("We sent your money back"),
        before=[
            _("For your order %(number)s we sent %(amount)s back to %(card)s.")
            % {"number": facts.number, "amount": amount, "card": refund.card},
            _("It can take your bank up to ten days until you see it."),
        ],
        table=things(refund.units),
        button=see_order(facts),
    )


def return_announced(facts: MailFacts) -> Letter:
    a_return = _about(facts.a_return)
    return Letter(
        subject=_("Order %(number)s: how your return reaches us") % {"number": facts.number},
        headline=_("We are waiting for your return"),
        before=[
            _("You told us that you send back things of your order %(number)s.")
            % {"number": facts.number},
            _("Please put a note with the number %(number)s into the parcel.")
            % {"number": facts.number},
        ],
        table=priced_things(a_return.announced, facts.currency),
        address_label=_("Please send it to"),
        address=facts.shop_address,
        after=[
            _(
                "We look at it when it has arrived, then write to you about the money. If you "
                "have changed your mind, you can withdraw the return on your order's page."
            )
        ],
        button=see_order(facts),
    )


def return_received(facts: MailFacts) -> Letter:
    a_return = _about(facts.a_return)
    if a_return.refund_cents:
        told = _(
            "We send %(amount)s back to %(card)s. It can take your bank up to ten days until "
            "you see it."
        ) % {
            "amount": money(a_return.refund_cents, facts.currency),
            "card": a_return.card,
        }
    else:
        told = _("No money goes back for this return.")
    return Letter(
        subject=_("Order %(number)s: your return has arrived") % {"number": facts.number},
        headline=_("Your return has arrived"),
        before=[
            _("Your return for order %(number)s has arrived here.") % {"number": facts.number},
            told,
        ],
        table=things(a_return.received),
        button=see_order(facts),
    )


def _rest(facts: MailFacts) -> Sequence[str]:
    if facts.left_units == 0:
        return []
    more = ngettext(
        "%(count)d more thing follows in another parcel.",
        "%(count)d more things follow in another parcel.",
        facts.left_units,
    )
    return [more % {"count": facts.left_units}]


def _arrived(delivered_at: datetime | None) -> Sequence[str]:
    return [_("It was delivered on %(day)s.") % {"day": day(delivered_at)}] if delivered_at else []


def _carried(parcel: ParcelFacts) -> Sequence[str]:
    said = {"carrier": parcel.carrier, "code": parcel.tracking_code}
    match bool(parcel.carrier), bool(parcel.tracking_code):
        case True, True:
            return [_("%(carrier)s carries it under the number %(code)s.") % said]
        case True, False:
            return [_("%(carrier)s carries it.") % said]
        case False, True:
            return [_("Its number at the carrier is %(code)s.") % said]
    return []


def _about(fact: Fact | None) -> Fact:
    if fact is None:
        raise LookupError("This mail's cause names no row that it could be about.")
    return fact
