"""The secret links of account mails: signed, aged, and good for one use.

A token is the mail's key, signed with the time at which the mail was written. The table holds the
key only, so reading it opens nothing without SECRET_KEY.
"""

from django.conf import settings
from django.core import signing
from django.db.models import Q
from django.db.models.functions import Now

from orders.emails import with_email
from shop.accounts.errors import LinkUnusable
from shop.http import read_uuid
from shop.models import Account, AccountMail

Kind = AccountMail.Kind


def token_for(mail: AccountMail) -> str:
    return signing.TimestampSigner(salt=_salt(mail.kind)).sign(mail.key.hex)


def mail_of(token: str, kind: AccountMail.Kind) -> AccountMail:
    """The mail whose link this is, if it may still be used. Raises LinkUnusable."""
    try:
        signed = signing.TimestampSigner(salt=_salt(kind)).unsign(
            token, max_age=settings.ACCOUNT_LINK_SECONDS
        )
    except signing.BadSignature:
        raise LinkUnusable from None
    key = read_uuid(signed)
    mails = AccountMail.objects.filter(kind=kind, closed_at=None)
    mail = mails.filter(key=key).first() if key else None
    if mail is None:
        raise LinkUnusable
    return mail


def use_link(mail: AccountMail) -> None:
    """Claim the link's one use, in the caller's transaction. Raises LinkUnusable."""
    # Two clicks at once: the second waits for the first one's commit and finds it closed.
    open_mail = AccountMail.objects.filter(pk=mail.pk, closed_at=None)
    if open_mail.update(closed_at=Now()) != 1:
        raise LinkUnusable


def withdraw_links(account: Account) -> None:
    """Whatever was sent for this account before now opens nothing any more."""
    resets = with_email(
        AccountMail.objects.filter(kind=Kind.RESET_PASSWORD), account.email, column="recipient"
    )
    changes = AccountMail.objects.filter(kind=Kind.CHANGE_EMAIL, account=account)
    AccountMail.objects.filter(
        Q(pk__in=resets.values("pk")) | Q(pk__in=changes.values("pk")), closed_at=None
    ).update(closed_at=Now())


def _salt(kind: str) -> str:
    # A link of one kind is no link of another.
    return f"shop.accounts.{kind}"
