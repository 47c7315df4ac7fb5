"""A mail's words before they are text or HTML. Both are made from the same letter, so that they
cannot say different things."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from orders.languages import country_name, money
from orders.letters.facts import MailFacts, Units


@dataclass(frozen=True, slots=True)
class Table:
    """Things and what they cost; ``total`` is empty when there is nothing to add up."""

    rows: Sequence[tuple[str, str]]
    total_label: str = ""
    total: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    words: str
    url: str


@dataclass(frozen=True, slots=True)
class Letter:
    """``headline`` says what happened, ``before`` tells it, ``after`` what comes next. ``address``
    stands as a block of its own under ``address_label``; ``button`` is what the reader can do."""

    subject: str
    headline: str
    before: Sequence[str]
    button: Link
    table: Table | None = None
    after: Sequence[str] = ()
    address_label: str = ""
    address: Sequence[str] = ()
    more: Sequence[Link] = ()


def see_order(facts: MailFacts) -> Link:
    return Link(_("See your order"), facts.order_url)


def whole_order(facts: MailFacts) -> Table:
    return Table(
        rows=_priced(facts.units, facts.currency),
        total_label=_("Total"),
        total=money(facts.total_cents, facts.currency),
    )


def things(units: Sequence[Units]) -> Table | None:
    """Things without prices; None for no things."""
    return Table([(f"{item.quantity} × {item.title}", "") for item in units]) if units else None


def priced_things(units: Sequence[Units], currency: str) -> Table | None:
    return Table(_priced(units, currency)) if units else None


def destination(facts: MailFacts) -> Sequence[str]:
    return (facts.name, *facts.street, country_name(facts.country))


def _priced(units: Sequence[Units], currency: str) -> Sequence[tuple[str, str]]:
    return [(f"{item.quantity} × {item.title}", money(item.cents, currency)) for item in units]
