"""Opening an account, its password and its address. Each change claims the link that allows it."""

from uuid import uuid4

import structlog
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from orders.emails import with_email
from shop.accounts.backend import usable_accounts
from shop.accounts.errors import AddressTaken, LinkUnusable
from shop.accounts.links import use_link, withdraw_links
from shop.accounts.mail import owe_mail
from shop.models import Account, AccountMail

log = structlog.get_logger(__name__)

Kind = AccountMail.Kind


def open_account(mail: AccountMail, password: str) -> Account:
    """The account of the address that ``mail`` (sign_up) was sent to.

    Raises LinkUnusable, and AddressTaken when another link of this address was faster.
    """
    try:
        with transaction.atomic():
            use_link(mail)
            user = User.objects.create_user(username=f"shopper-{uuid4().hex}", password=password)
            account = Account.objects.create(
                user=user, email=mail.recipient, language=mail.language
            )
    except IntegrityError as error:
        # Two links of one mailbox at once: the address is unique, so one of them opens it.
        raise AddressTaken from error
    log.info("account_opened", account=account.pk)
    return account


def reset_password(mail: AccountMail, password: str) -> None:
    """A new password by the link of ``mail`` (reset_password), for an account of this address.

    Sessions that are signed in end. Raises LinkUnusable, also when there is no account that may
    sign in to the shop.
    """
    with transaction.atomic():
        use_link(mail)
        account = usable_accounts(mail.recipient).first()
        if account is None:
            raise LinkUnusable
        _set_password(account, password)


def change_password(account: Account, password: str) -> None:
    """A new password for somebody who has shown the old one. Other sessions end."""
    with transaction.atomic():
        _set_password(account, password)


def confirm_new_email(account: Account, mail: AccountMail) -> None:
    """The address that ``mail`` (change_email) was sent to becomes the account's.

    Raises LinkUnusable when another account had asked for it: who opens a mailbox must not give its
    address away to whoever had the mail sent. Raises AddressTaken.
    """
    if mail.account_id != account.pk:
        raise LinkUnusable
    before = account.email
    try:
        with transaction.atomic():
            use_link(mail)
            withdraw_links(account)
            Account.objects.filter(pk=account.pk).update(email=mail.recipient)
            owe_mail(Kind.EMAIL_CHANGED, before, language=account.language, account=account)
    except IntegrityError as error:
        raise AddressTaken from error
    account.email = mail.recipient


def address_is_free(email: str) -> bool:
    return not with_email(Account.objects.all(), email).exists()


def _set_password(account: Account, password: str) -> None:
    # Every session carries a mark of the password, so those of before are signed out.
    account.user.set_password(password)
    account.user.save(update_fields=["password"])
    withdraw_links(account)
    owe_mail(Kind.PASSWORD_CHANGED, account.email, language=account.language, account=account)
