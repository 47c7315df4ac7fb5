"""How the order stands while the mail is written, which may be later than what it tells."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from orders.languages import moment, money
from orders.letters.facts import MailFacts
from orders.states import OrderStatus, PaymentStatus


def next_step(facts: MailFacts) -> Sequence[str]:
    """What comes next for an order whose money has not come, or has it come since."""
    match facts.status:
        case OrderStatus.PAID:
            return [_("Your order is paid by now. You need not do anything.")]
        case OrderStatus.EXPIRED:
            return [_("Your order was not paid in time and has ended since. Nothing was charged.")]
        case OrderStatus.CANCELLED:
            return [_("Your order was cancelled since."), *money_back(facts)]
        case OrderStatus.PAYMENT_FAILED:
            return another_card(facts)
    if facts.payment and facts.payment.status == PaymentStatus.ACTION_REQUIRED:
        return to_the_bank(facts)
    return [
        _(
            "We are asking your bank and write to you as soon as we know. You will not be charged "
            "twice, and you need not do anything."
        )
    ]


def another_card(facts: MailFacts) -> Sequence[str]:
    if not facts.can_pay:
        return _too_late()
    return [
        _(
            "We keep your things for you until %(until)s. Until then you can pay with another card "
            "on your order's page."
        )
        % {"until": moment(facts.hold_expires_at)}
    ]


def to_the_bank(facts: MailFacts) -> Sequence[str]:
    if not facts.can_pay:
        return _too_late()
    return [
        _(
            "Please continue to your bank from your order's page until %(until)s. After that we "
            "can no longer keep your things for you."
        )
        % {"until": moment(facts.hold_expires_at)}
    ]


def money_back(facts: MailFacts) -> Sequence[str]:
    """What becomes of the money of an order that ended."""
    told = []
    if facts.back_cents and facts.payment:
        told.append(
            _(
                "We send %(amount)s back to %(card)s. It can take your bank up to ten days until "
                "you see it."
            )
            % {
                "amount": money(facts.back_cents, facts.currency),
                "card": facts.payment.card,
            }
        )
    elif not facts.captured_cents and not facts.bank_is_silent:
        told.append(_("Nothing was charged."))
    if facts.bank_is_silent:
        told.append(
            _(
                "Your bank has not told us yet whether it took any money. If it did, we send it "
                "back without being asked."
            )
        )
    return told


def ended_since(facts: MailFacts) -> Sequence[str]:
    """For mails about an order that was alive when they were owed."""
    if facts.status != OrderStatus.CANCELLED:
        return []
    return [_("Your order was cancelled since."), *money_back(facts)]


def _too_late() -> Sequence[str]:
    return [_("The time to pay has ended, so your things go back on sale.")]
