"""Mails from the order to its money."""

from django.utils.translation import gettext as _

from orders.languages import moment, money
from orders.letters.declines import reason
from orders.letters.facts import MailFacts
from orders.letters.letter import Letter, Link, destination, see_order, whole_order
from orders.letters.standing import ended_since, money_back, next_step
from orders.states import OrderStatus, PaymentStatus


def order_placed(facts: MailFacts) -> Letter:
    return Letter(
        subject=_("We have your order %(number)s") % {"number": facts.number},
        headline=_("We have your order"),
        before=[
            _("Thank you. Your order %(number)s has reached us.") % {"number": facts.number},
            *next_step(facts),
        ],
        table=whole_order(facts),
        button=_pay_button(facts),
    )


def order_confirmed(facts: MailFacts) -> Letter:
    card = facts.payment.card if facts.payment else ""
    return Letter(
        subject=_("Your order %(number)s is confirmed") % {"number": facts.number},
        headline=_("Paid and packed. Thank you."),
        before=[
            _("Your order %(number)s is paid with %(card)s and packed from stock.")
            % {"number": facts.number, "card": card},
            *ended_since(facts),
        ],
        table=whole_order(facts),
        after=[]
        if facts.status == OrderStatus.CANCELLED
        else [_("We write to you again when it is on its way.")],
        address_label=_("It goes to"),
        address=destination(facts),
        button=see_order(facts),
        more=[Link(_("Your invoice"), facts.invoice_url)] if facts.invoice_url else [],
    )


def payment_declined(facts: MailFacts) -> Letter:
    payment = facts.payment
    return Letter(
        subject=_("The card for order %(number)s was declined") % {"number": facts.number},
        headline=_("The card was declined"),
        before=[
            _("Your bank declined %(card)s for your order %(number)s. %(reason)s")
            % {
                "card": payment.card if payment else "",
                "number": facts.number,
                "reason": reason(payment.decline_code if payment else ""),
            },
            _("This card was not charged."),
            *next_step(facts),
        ],
        table=whole_order(facts),
        button=_pay_button(facts),
    )


def action_required(facts: MailFacts) -> Letter:
    payment = facts.payment
    still = payment is not None and payment.status == PaymentStatus.ACTION_REQUIRED
    told = _(
        "Your bank wants to make sure that it is you who pays %(amount)s for your order "
        "%(number)s with %(card)s."
    ) % {
        "amount": money(payment.cents if payment else facts.total_cents, facts.currency),
        "number": facts.number,
        "card": payment.card if payment else "",
    }
    return Letter(
        subject=_("Your bank wants to see you: order %(number)s") % {"number": facts.number},
        headline=_("Your bank wants to see you"),
        before=[
            told,
            *([_("Nothing has been charged yet.")] if still else []),
            *next_step(facts),
        ],
        table=whole_order(facts),
        button=_pay_button(facts),
    )


def hold_expiring(facts: MailFacts) -> Letter:
    waiting = facts.status in (OrderStatus.PAYMENT_FAILED, OrderStatus.PLACED)
    told = _("Your order %(number)s is not paid yet.") % {"number": facts.number}
    if not waiting:
        told = _("We meant to remind you that your order %(number)s was not paid.") % {
            "number": facts.number
        }
    return Letter(
        subject=_("Order %(number)s: we keep your things until %(until)s")
        % {"number": facts.number, "until": moment(facts.hold_expires_at)},
        headline=_("Your things are kept a little longer"),
        before=[told, *next_step(facts)],
        table=whole_order(facts),
        after=[_("What is not paid by then goes back on sale.")]
        if waiting and facts.can_pay
        else [],
        button=_pay_button(facts),
    )


def order_expired(facts: MailFacts) -> Letter:
    revived = facts.status == OrderStatus.PAID
    return Letter(
        subject=_("Order %(number)s was not paid in time") % {"number": facts.number},
        headline=_("Not paid in time"),
        before=[
            _("Your order %(number)s was not paid in time, so its things went back on sale.")
            % {"number": facts.number},
            *(
                [_("Your money came after all, so your order goes on. We write about it apart.")]
                if revived
                else money_back(facts)
            ),
            *([] if revived else [_("You are welcome to order again.")]),
        ],
        table=whole_order(facts),
        button=see_order(facts),
    )


def late_money_kept(facts: MailFacts) -> Letter:
    return Letter(
        subject=_("Order %(number)s goes on: your money came") % {"number": facts.number},
        headline=_("Your money came late, and your order goes on"),
        before=[
            _(
                "The money for your order %(number)s reached us after its time. Your things were "
                "still there, so we took them off the shelf for you again."
            )
            % {"number": facts.number},
            *(
                ended_since(facts)
                or [_("Your order is paid. We pack it and write to you when it is on its way.")]
            ),
        ],
        table=whole_order(facts),
        address_label=_("It goes to"),
        address=destination(facts),
        button=see_order(facts),
    )


def late_money_refunded(facts: MailFacts) -> Letter:
    payment = facts.payment
    why = (
        _("The money for your order %(number)s reached us after the order had been cancelled.")
        if facts.status == OrderStatus.CANCELLED
        else _(
            "The money for your order %(number)s reached us after its time, when its things had "
            "been sold to others."
        )
    )
    return Letter(
        subject=_("Order %(number)s: your money goes back") % {"number": facts.number},
        headline=_("Your money came late and goes back to you"),
        before=[
            why % {"number": facts.number},
            _(
                "We send %(amount)s back to %(card)s. It can take your bank up to ten days until "
                "you see it."
            )
            % {
                "amount": money(payment.cents if payment else facts.back_cents, facts.currency),
                "card": payment.card if payment else "",
            },
            _("You need not do anything. You are welcome to order again."),
        ],
        button=see_order(facts),
    )


def order_cancelled(facts: MailFacts) -> Letter:
    return Letter(
        subject=_("Your order %(number)s is cancelled") % {"number": facts.number},
        headline=_("Your order is cancelled"),
        before=[
            _("Your order %(number)s is cancelled and will not be shipped.")
            % {"number": facts.number},
            *money_back(facts),
        ],
        table=whole_order(facts),
        button=see_order(facts),
    )


def order_link(facts: MailFacts) -> Letter:
    return Letter(
        subject=_("The link to your order %(number)s") % {"number": facts.number},
        headline=_("The link to your order"),
        before=[
            _("Somebody asked us to send the link to your order %(number)s again.")
            % {"number": facts.number},
            _("Whoever has the link can see the order, so please pass it on to nobody."),
            _("Was it not you? Then you need not do anything: the link went to this address only."),
        ],
        button=see_order(facts),
    )


def _pay_button(facts: MailFacts) -> Link:
    if not facts.can_pay:
        return see_order(facts)
    if facts.status == OrderStatus.PAYMENT_FAILED:
        return Link(_("Try another card"), facts.order_url)
    bank_waits = facts.payment and facts.payment.status == PaymentStatus.ACTION_REQUIRED
    if facts.status == OrderStatus.PLACED and bank_waits:
        return Link(_("Continue to your bank"), facts.order_url)
    return see_order(facts)
