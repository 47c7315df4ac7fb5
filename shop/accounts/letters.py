"""What a mail about an account says, in the reader's language.

Whether the address has an account is found out here, by the worker, and told to the mailbox only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.emails import with_email
from orders.gateways.mailer import Mail
from orders.languages import day, speaking
from orders.selectors import orders_of_email
from shop.accounts.backend import usable_accounts
from shop.accounts.links import token_for
from shop.models import Account, AccountMail

# More would be a mail that nobody reads; the account lists all.
MOST_LINKS = 20


@dataclass(frozen=True, slots=True)
class Letter:
    """Text and HTML are made from the same letter, so that they cannot say different things.

    ``links`` are (words, URL); ``button`` is empty when there is nothing to press.
    """

    subject: str
    headline: str
    before: tuple[str, ...]
    button: str = ""
    url: str = ""
    links: tuple[tuple[str, str], ...] = ()
    after: tuple[str, ...] = ()


def write_mail(mail: AccountMail) -> Mail:
    """The mail with its link, which is good from now on for ACCOUNT_LINK_SECONDS."""
    with speaking(mail.language) as language:
        letter = _LETTERS[AccountMail.Kind(mail.kind)](mail)
        context = {
            "letter": letter,
            "language": language,
            "shop_name": settings.SHOP_NAME,
            "greeting": _("Hello,"),
        }
        return Mail(
            recipient=mail.recipient,
            subject=f"{settings.SHOP_NAME}: {letter.subject}",
            text=render_to_string("shop/mail/letter.txt", context),
            html=render_to_string("shop/mail/letter.html", context),
            message_id=f"<{mail.key}@{settings.MAIL_DOMAIN}>",
        )


def _sign_up(mail: AccountMail) -> Letter:
    if with_email(Account.objects.all(), mail.recipient).exists():
        return _known_already()
    return Letter(
        subject=_("confirm your address"),
        headline=_("One click to your account"),
        before=(
            _("somebody, probably you, wants to open an account with this e-mail address."),
            _("Press the button and choose a password. Then the account is yours."),
        ),
        button=_("Open my account"),
        url=_secret("shop:sign-up-confirm", mail),
        after=(_for_how_long(), _if_it_was_not_you()),
    )


def _known_already() -> Letter:
    return Letter(
        subject=_("you have an account already"),
        headline=_("You have an account already"),
        before=(
            _("somebody, probably you, wanted to open an account with this e-mail address."),
            _("There is one already, so nothing was changed. You can sign in with your password."),
        ),
        button=_("Sign in"),
        url=_address("shop:sign-in"),
        links=((_("I do not know my password any more"), _address("shop:forgotten")),),
        after=(_if_it_was_not_you(),),
    )


def _reset_password(mail: AccountMail) -> Letter:
    if not usable_accounts(mail.recipient).exists():
        return _no_account()
    return Letter(
        subject=_("choose a new password"),
        headline=_("Choose a new password"),
        before=(_("somebody, probably you, asked for a new password for your account."),),
        button=_("Choose a password"),
        url=_secret("shop:forgotten-confirm", mail),
        after=(_for_how_long(), _if_it_was_not_you()),
    )


def _no_account() -> Letter:
    return Letter(
        subject=_("no account with this address"),
        headline=_("There is no account with this address"),
        before=(
            _("somebody, probably you, asked for a new password for an account with this address."),
            _("There is none. You may have used another address, or ordered as a guest."),
        ),
        button=_("Open an account"),
        url=_address("shop:sign-up"),
        links=((_("Send me the links to my orders"), _address("shop:find-order")),),
        after=(_if_it_was_not_you(),),
    )


def _change_email(mail: AccountMail) -> Letter:
    if with_email(Account.objects.all(), mail.recipient).exists():
        return _known_already()
    return Letter(
        subject=_("confirm your new address"),
        headline=_("Is this your new address?"),
        before=(
            _("you want to use this e-mail address for your account."),
            _("Press the button while you are signed in. Until then nothing changes."),
        ),
        button=_("Use this address"),
        url=_secret("shop:email-confirm", mail),
        after=(_for_how_long(), _if_it_was_not_you()),
    )


def _email_changed(mail: AccountMail) -> Letter:
    return Letter(
        subject=_("your account has another address now"),
        headline=_("Your account has another address now"),
        before=(
            _("the e-mail address of your account was changed. This one is no longer used for it."),
        ),
        after=(_("If it was not you, please answer this mail at once, so that we can help."),),
    )


def _password_changed(mail: AccountMail) -> Letter:
    return Letter(
        subject=_("your password was changed"),
        headline=_("Your password was changed"),
        before=(_("the password of your account was changed. Every other device was signed out."),),
        button=_("See my account"),
        url=_address("shop:account"),
        links=((_("It was not me: choose a new password"), _address("shop:forgotten")),),
    )


def _order_links(mail: AccountMail) -> Letter:
    found = list(orders_of_email(mail.recipient)[: MOST_LINKS + 1])
    wanted = [order for order in found if order.number == mail.order_number]
    shown = (wanted or found)[:MOST_LINKS]
    if not shown:
        return _no_orders()
    before = []
    if mail.order_number and not wanted:
        told = _("there is no order %(number)s with this e-mail address. These there are:")
        before.append(told % {"number": mail.order_number})
    else:
        told = ngettext(
            "here is the link to your order:", "here are the links to your orders:", len(shown)
        )
        before.append(told)
    more = _("These are the newest %(count)d. With an account you see all of them.")
    return Letter(
        subject=ngettext("the link to your order", "the links to your orders", len(shown)),
        headline=ngettext("The link to your order", "The links to your orders", len(shown)),
        before=tuple(before),
        links=tuple(
            (
                _words_for(order.number, order.placed_at),
                _address("shop:order", order.token),
            )
            for order in shown
        ),
        after=(
            *((more % {"count": MOST_LINKS},) if len(found) > MOST_LINKS and not wanted else ()),
            _("Whoever has such a link can see the order. Please keep it to yourself."),
        ),
    )


def _no_orders() -> Letter:
    return Letter(
        subject=_("no orders with this address"),
        headline=_("There are no orders with this address"),
        before=(
            _("somebody, probably you, asked us to send the links to the orders of this address."),
            _("There are none. You may have ordered with another address."),
        ),
        button=_("Try another address"),
        url=_address("shop:find-order"),
        after=(_if_it_was_not_you(),),
    )


def _words_for(number: str, placed_at: datetime) -> str:
    told = _("Order %(number)s of %(day)s")
    return told % {"number": number, "day": day(placed_at)}


def _for_how_long() -> str:
    hours = round(settings.ACCOUNT_LINK_SECONDS / 3_600)
    if hours < 1:
        return _("The button works once, for a short time.")
    told = ngettext(
        "The button works once, for %(hours)d hour.",
        "The button works once, for %(hours)d hours.",
        hours,
    )
    return told % {"hours": hours}


def _if_it_was_not_you() -> str:
    return _("If it was not you, do nothing: nothing happens then.")


def _secret(view: str, mail: AccountMail) -> str:
    return _address(view, token_for(mail))


def _address(view: str, *arguments: str) -> str:
    return settings.SITE_URL + reverse(view, args=arguments)


_LETTERS: dict[AccountMail.Kind, Callable[[AccountMail], Letter]] = {
    AccountMail.Kind.SIGN_UP: _sign_up,
    AccountMail.Kind.RESET_PASSWORD: _reset_password,
    AccountMail.Kind.CHANGE_EMAIL: _change_email,
    AccountMail.Kind.EMAIL_CHANGED: _email_changed,
    AccountMail.Kind.PASSWORD_CHANGED: _password_changed,
    AccountMail.Kind.ORDER_LINKS: _order_links,
}
