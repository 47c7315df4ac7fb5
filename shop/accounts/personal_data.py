"""Everything held about one person: handed out, or erased."""

from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from orders.emails import with_email
from orders.errors import Busy
from orders.selectors import orders_about
from orders.services.held_data import held_about
from orders.services.personal_data import Erasure, ask_for_erasure
from shop.accounts.book import addresses_of, values
from shop.models import Account, AccountMail


@dataclass(frozen=True, slots=True)
class ErasedPerson:
    """``had_account``: it is deleted. ``orders``: what became of each."""

    had_account: bool
    orders: tuple[Erasure, ...]

    @property
    def kept(self) -> tuple[Erasure, ...]:
        return tuple(order for order in self.orders if order.kept_because)


def account_of(email: str) -> Account | None:
    accounts = Account.objects.select_related("user")
    return with_email(accounts, email).first()


def order_count(email: str, account: Account | None) -> int:
    return orders_about(email, _customer(account)).count()


def personal_data(email: str, account: Account | None) -> dict[str, Any]:
    """Plain values, ready for JSON."""
    mails = with_email(AccountMail.objects.all(), email, column="recipient")
    return {
        "email": email,
        "account": _account(account) if account else None,
        "mails_about_the_account": list(
            mails.values("kind", "recipient", "status", "subject", "created_at", "settled_at")
        ),
        "orders": held_about(orders_about(email, _customer(account))),
    }


def erase_person(email: str, account: Account | None, *, actor: str) -> ErasedPerson:
    """Delete the account and overwrite the personal data of its orders that have ended.

    Safe to repeat: after an error (Busy) what is left is done by the next try. The account goes
    last, so that until then it can be asked for again.
    """
    orders = list(orders_about(email, _customer(account)).values_list("pk", flat=True))
    erased = ask_for_erasure(orders, actor=actor)
    try:
        with transaction.atomic():
            with_email(AccountMail.objects.all(), email, column="recipient").delete()
            if account is not None:
                _delete_user(account)
    except IntegrityError as error:
        # An order was placed with this account while it was being deleted.
        raise Busy("An order came in at this very moment. Please try again.") from error
    return ErasedPerson(account is not None, tuple(erased))


def _customer(account: Account | None) -> int | None:
    return account.user_id if account else None


def _delete_user(account: Account) -> None:
    user = account.user
    if user.is_staff or user.is_superuser:
        # Staff keep their way into the admin; only what they had as shoppers goes.
        account.delete()
    else:
        user.delete()


def _account(account: Account) -> dict[str, Any]:
    user = account.user
    return {
        "email": account.email,
        "language": account.language,
        "confirmed_at": account.confirmed_at,
        "last_signed_in_at": user.last_login,
        "addresses": [
            {**values(entry), "is_default": entry.is_default} for entry in addresses_of(account)
        ],
    }
