"""Signing in with an address and a password. Staff sign in to the admin, by name."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

from orders.emails import with_email
from shop.models import Account


class AccountBackend(BaseBackend):
    """Knows shoppers only: a user of the staff is refused, whatever account it may have."""

    def authenticate(  # type: ignore[override]  # the keywords are what tells backends apart
        self, request: HttpRequest | None, *, email: str, password: str
    ) -> User | None:
        account = usable_accounts(email).first()
        if account is None:
            # As much work as for an address with an account, so that time tells nothing.
            User().set_password(password)
            return None
        user: User = account.user
        return user if user.check_password(password) else None

    def get_user(self, user_id: int) -> User | None:
        user = User.objects.select_related("account").filter(pk=user_id).first()
        return user if user is not None and is_shopper(user) else None


def usable_accounts(email: str) -> Any:
    """The account of this address, if its user may sign in to the shop (a queryset of 0 or 1)."""
    accounts = Account.objects.filter(
        user__is_active=True, user__is_staff=False, user__is_superuser=False
    )
    return with_email(accounts.select_related("user"), email)


def is_shopper(user: User) -> bool:
    return user.is_active and not user.is_staff and not user.is_superuser
