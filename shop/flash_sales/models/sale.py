"""A sale and its items: what is sold, from when, how fast, and how many units are where."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from shop.flash_sales.states import OnLostGate, SaleStatus


class FlashSale(models.Model):
    slug = models.SlugField(unique=True, max_length=60)
    title = models.CharField(max_length=120)
    intro = models.CharField(max_length=300, blank=True)
    status = models.CharField(max_length=12, choices=SaleStatus.choices, default=SaleStatus.DRAFT)
    pause_reason = models.CharField(max_length=200, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    limit_per_person = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(20)], help_text="Units."
    )
    hold_seconds = models.PositiveIntegerField(
        default=300,
        validators=[MinValueValidator(10), MaxValueValidator(3_600)],
        help_text="How long a ticket keeps its units for its person to pay.",
    )
    admission_per_second = models.PositiveIntegerField(
        default=50,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="How many people are let through to a ticket each second.",
    )
    on_lost_gate = models.CharField(
        max_length=10, choices=OnLostGate.choices, default=OnLostGate.PAUSE
    )
    challenge_work = models.PositiveIntegerField(
        "challenge",
        default=0,
        db_default=0,  # a web of the version before makes sales without it
        validators=[MaxValueValidator(2_000_000)],
        # Chromium at full speed, and slowed down six times.
        help_text="0: none. Else how many hashes a browser does at most before its click counts, "
        "half as many in the mean, while the countdown runs: 300,000 take a computer half a second "
        "and a slow phone 2 to 4 seconds. The sale then needs JavaScript.",
    )
    is_rehearsal = models.BooleanField(default=False, editable=False)
    generation = models.PositiveIntegerField(
        default=0, editable=False, help_text="How often the gate was built."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-starts_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="sale_has_a_time"),
            models.CheckConstraint(
                condition=Q(status__in=SaleStatus.values), name="sale_status_known"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class SaleItem(models.Model):
    """``units`` = ``sold`` + ``held`` + what is free, at all times. Only services write the three:
    ``held`` are those of live tickets, ``sold`` those of tickets whose order is paid."""

    sale = models.ForeignKey(FlashSale, on_delete=models.PROTECT, related_name="items")
    sku = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    price_cents = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    set_aside = models.OneToOneField(
        "orders.SetAside",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    units = models.PositiveIntegerField(default=0, editable=False)
    held = models.PositiveIntegerField(default=0, editable=False)
    sold = models.PositiveIntegerField(default=0, editable=False)
    last_place = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="The highest place in line that is known to be given."
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["sale", "sku"], name="one_sale_item_per_sku"),
            # The last word on giving one unit to two people.
            models.CheckConstraint(
                condition=Q(units__gte=F("held") + F("sold")), name="sale_item_within_units"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} in {self.sale}"

    @property
    def free(self) -> int:
        return self.units - self.held - self.sold
