"""A unit held for a person, and by what a person is known."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from shop.flash_sales.models.sale import FlashSale, SaleItem
from shop.flash_sales.states import LIVE_TICKETS, IdentityKind, TicketStatus


class Ticket(models.Model):
    """The gate's grant, written down. ``nonce`` is the grant's: it is written once, or never."""

    item = models.ForeignKey(SaleItem, on_delete=models.PROTECT, related_name="tickets")
    nonce = models.CharField(max_length=60, unique=True, editable=False)
    person = models.CharField(max_length=80)
    place = models.PositiveBigIntegerField(help_text="The person's place in line.")
    status = models.CharField(
        max_length=10, choices=TicketStatus.choices, default=TicketStatus.HELD
    )
    held_until = models.DateTimeField()
    order = models.OneToOneField(
        "orders.Order",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="flash_sale_ticket",
    )
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=TicketStatus.values), name="ticket_status_known"
            ),
            models.UniqueConstraint(
                fields=["item", "person"],
                condition=Q(status__in=LIVE_TICKETS),
                name="one_live_ticket_per_person",
            ),
        ]
        indexes = [
            models.Index(
                fields=["held_until"], condition=Q(status__in=LIVE_TICKETS), name="ticket_live"
            )
        ]

    def __str__(self) -> str:
        return f"ticket {self.pk}, {self.get_status_display()}"


class SaleIdentity(models.Model):
    """One unit of one sale that one person has or is about to have. ``slot`` counts from 1 to the
    sale's limit: the constraint is what makes the limit hold, whoever comes at once."""

    sale = models.ForeignKey(FlashSale, on_delete=models.PROTECT, related_name="identities")
    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="identities")
    kind = models.CharField(max_length=10, choices=IdentityKind.choices)
    digest = models.CharField(max_length=64, help_text="A keyed hash: nobody is named here.")
    slot = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "sale identities"
        constraints = [
            models.UniqueConstraint(
                fields=["sale", "kind", "digest", "slot"], name="one_unit_per_slot"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} slot {self.slot}"
