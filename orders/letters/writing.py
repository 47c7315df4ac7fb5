"""A letter for every kind of mail, as text and as HTML, in the shopper's language."""

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from orders.languages import speaking
from orders.letters import delivering, paying
from orders.letters.facts import MailFacts
from orders.letters.letter import Letter, Link, Table
from orders.models import Notification

_WIDTH = 76

LETTERS: dict[str, Callable[[MailFacts], Letter]] = {
    Notification.Kind.ORDER_PLACED: paying.order_placed,
    Notification.Kind.ORDER_CONFIRMED: paying.order_confirmed,
    Notification.Kind.PAYMENT_DECLINED: paying.payment_declined,
    Notification.Kind.ACTION_REQUIRED: paying.action_required,
    Notification.Kind.HOLD_EXPIRING: paying.hold_expiring,
    Notification.Kind.ORDER_EXPIRED: paying.order_expired,
    Notification.Kind.ORDER_CANCELLED: paying.order_cancelled,
    Notification.Kind.ORDER_SHIPPED: delivering.order_shipped,
    Notification.Kind.ORDER_DELIVERED: delivering.order_delivered,
    Notification.Kind.REFUND_SENT: delivering.refund_sent,
    Notification.Kind.LATE_MONEY_KEPT: paying.late_money_kept,
    Notification.Kind.LATE_MONEY_REFUNDED: paying.late_money_refunded,
    Notification.Kind.RETURN_ANNOUNCED: delivering.return_announced,
    Notification.Kind.RETURN_RECEIVED: delivering.return_received,
    Notification.Kind.ORDER_LINK: paying.order_link,
}


@dataclass(frozen=True, slots=True)
class Written:
    """``subject`` is one line; ``text`` and ``html`` say the same."""

    subject: str
    text: str
    html: str


def write_letter(kind: str, facts: MailFacts, *, language: str) -> Written:
    """Raises KeyError for a kind that has no letter, LookupError when ``facts`` lack what the kind
    is about."""
    with speaking(language) as spoken:
        letter = LETTERS[kind](facts)
        context = {
            "letter": letter,
            "facts": facts,
            "language": spoken,
            "greeting": _("Hello %(name)s,") % {"name": facts.name},
            "footer": _("You get this mail because of your order %(number)s.")
            % {"number": facts.number},
        }
        return Written(
            subject=" ".join(f"{facts.shop_name}: {letter.subject}".split()),
            text=_as_text(letter, facts, context["greeting"], context["footer"]),
            html=render_to_string("orders/mail/letter.html", context),
        )


def _as_text(letter: Letter, facts: MailFacts, greeting: object, footer: object) -> str:
    blocks = [str(greeting), *map(_wrapped, letter.before)]
    if letter.table:
        blocks.append("\n".join(_rows(letter.table)))
    if letter.address:
        blocks.append("\n".join([f"{letter.address_label}:", *(f"  {x}" for x in letter.address)]))
    blocks += map(_wrapped, letter.after)
    blocks += [_link(link) for link in (letter.button, *letter.more)]
    blocks.append("\n".join(["-- ", facts.shop_name, *facts.shop_address[1:], str(footer)]))
    return "\n\n".join(blocks) + "\n"


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _link(link: Link) -> str:
    return f"{link.words}:\n{link.url}"


def _rows(table: Table) -> Iterator[str]:
    rows = [*table.rows, *([(table.total_label, table.total)] if table.total else [])]
    widest = max(len(label) for label, _amount in rows)
    for label, amount in rows:
        yield f"  {label:<{min(widest, _WIDTH)}}  {amount:>12}" if amount else f"  {label}"
