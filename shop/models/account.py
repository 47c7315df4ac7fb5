"""Who has an account, where their parcels go, and the mails that the account is owed."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from tasks.sweeping import SweptModel


class Account(models.Model):
    """A shopper whose address is confirmed: there is no account before the link was opened.

    The user carries the password and nothing personal; its name is random, so that no address can
    collide with the name of a member of staff.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="account"
    )
    email = models.EmailField()
    language = models.CharField(max_length=10, default="en")
    confirmed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Alice@ and alice@ are one mailbox nearly everywhere, and must not be two accounts.
            models.UniqueConstraint(Lower("email"), name="one_account_per_address")
        ]

    def __str__(self) -> str:
        return self.email


class SavedAddress(models.Model):
    """One entry of an address book. Limits are those of the order's columns."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="addresses")
    name = models.CharField(max_length=120)
    line1 = models.CharField(max_length=160)
    line2 = models.CharField(max_length=160, blank=True)
    postcode = models.CharField(max_length=20)
    city = models.CharField(max_length=100)
    country = models.CharField(max_length=2)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-is_default", "id"]
        verbose_name_plural = "saved addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(is_default=True), name="one_default_address"
            ),
            models.UniqueConstraint(
                fields=["account", "name", "line1", "line2", "postcode", "city", "country"],
                name="one_entry_per_address",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.line1}, {self.city}"


class AccountMail(SweptModel):
    """A mail about an account, owed to an address. The link in it is made when the mail is written
    (``shop.accounts.links``), so that no secret is in this table, the outbox or the broker.

    Whether the address has an account is looked up by the worker: asking for a mail is the same
    work whatever the answer, so that its duration tells nothing.
    """

    class Kind(models.TextChoices):
        SIGN_UP = "sign_up", "confirm the address"
        RESET_PASSWORD = "reset_password", "new password"  # no password
        CHANGE_EMAIL = "change_email", "confirm the new address"
        EMAIL_CHANGED = "email_changed", "address was changed"
        PASSWORD_CHANGED = "password_changed", "password was changed"  # no password
        ORDER_LINKS = "order_links", "links to orders"

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        SENT = "sent", "sent"
        REFUSED = "refused", "refused by the mail server"

    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    recipient = models.EmailField()
    language = models.CharField(max_length=10, default="en")
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="mails",
        help_text="Whose account asked; empty when anybody could ask.",
    )
    order_number = models.CharField(max_length=12, blank=True)
    cause = models.CharField(
        max_length=60, help_text="The same kind for the same cause to one address is one mail."
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    subject = models.CharField(max_length=200, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    settled_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When it was sent or refused."
    )
    closed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its link was used or withdrawn."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            # However often a form is sent, with the cache away too, a mailbox is not flooded.
            models.UniqueConstraint(
                Lower("recipient"),
                "kind",
                "cause",
                condition=Q(closed_at=None),
                name="one_account_mail_per_cause",
            )
        ]
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(status="pending"), name="account_mail_pending"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.recipient}"
