"""A rehearsal that was asked for: of which sale, with what crowd, and how it went."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from shop.flash_sales.models.sale import FlashSale
from shop.flash_sales.states import OPEN_REHEARSALS, Kill, RehearsalStatus

MOST_UNITS, MOST_PEOPLE, MOST_HOLD_SECONDS = 10_000, 20_000, 600


class Rehearsal(models.Model):
    """Shares are percents of the crowd. ``shadow`` is the sale that the crowd comes to, None until
    it is made. ``endings``: how many people were told what; ``faults``: promises that were broken.
    """

    like = models.ForeignKey(FlashSale, on_delete=models.PROTECT, related_name="rehearsals")
    shadow = models.OneToOneField(
        FlashSale,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="rehearsal",
    )
    units = models.PositiveIntegerField(
        default=100, validators=[MinValueValidator(1), MaxValueValidator(MOST_UNITS)]
    )
    crowd = models.PositiveIntegerField(
        default=1_000, validators=[MinValueValidator(1), MaxValueValidator(MOST_PEOPLE)]
    )
    declines_percent = models.PositiveSmallIntegerField(default=10)
    abandon_percent = models.PositiveSmallIntegerField(default=10)
    bots_percent = models.PositiveSmallIntegerField(default=2)
    double_click_percent = models.PositiveSmallIntegerField(
        default=20, validators=[MaxValueValidator(100)]
    )
    hold_seconds = models.PositiveIntegerField(
        default=20, validators=[MinValueValidator(10), MaxValueValidator(MOST_HOLD_SECONDS)]
    )
    kill = models.CharField(max_length=10, choices=Kill.choices, default=Kill.NOTHING, blank=True)
    status = models.CharField(
        max_length=10, choices=RehearsalStatus.choices, default=RehearsalStatus.ASKED
    )
    doing = models.CharField(max_length=80, blank=True, help_text="What it does now.")
    reason = models.CharField(max_length=500, blank=True, help_text="Why it could not be done.")
    endings = models.JSONField(default=dict, blank=True)
    faults = models.JSONField(default=list, blank=True)
    report = models.TextField(blank=True)
    proof = models.TextField(blank=True, help_text="The words of the proof after the sale.")
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, blank=True, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=RehearsalStatus.values), name="rehearsal_status_known"
            ),
            models.CheckConstraint(
                condition=Q(declines_percent__lte=100 - F("abandon_percent") - F("bots_percent")),
                name="rehearsal_shares_within_all",
            ),
            # Two at once would share the machine, and kill each other's parts.
            models.UniqueConstraint(
                fields=["status"],
                condition=Q(status__in=OPEN_REHEARSALS),
                name="one_rehearsal_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"rehearsal {self.pk} of {self.like}"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_REHEARSALS
