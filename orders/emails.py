"""E-mail addresses: one mailbox, one key, however it is spelt."""

from typing import TypeVar, cast

from django.db.models import Model, QuerySet
from django.db.models.functions import Lower

Rows = TypeVar("Rows", bound=Model)


def key_of(email: str) -> str:
    return email.strip().lower()


def with_email(rows: QuerySet[Rows], email: str, *, column: str = "email") -> QuerySet[Rows]:
    """Those with this address, in any case; by the index over lower(column). Never for ''."""
    key = key_of(email)
    if not key:
        return rows.none()
    found = rows.alias(email_key=Lower(column)).filter(email_key=key)
    # The stubs forget the model where a row gets an alias.
    return cast("QuerySet[Rows]", found)
