"""Who gets a list of the orders by mail, and when."""

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ExportSchedule(models.Model):
    """Each mail holds the orders placed since the one before it. Times are of the shop's zone."""

    class Period(models.TextChoices):
        DAILY = "daily", "every day"
        WEEKLY = "weekly", "every week"

    class Weekday(models.IntegerChoices):
        MONDAY = 0, "Monday"
        TUESDAY = 1, "Tuesday"
        WEDNESDAY = 2, "Wednesday"
        THURSDAY = 3, "Thursday"
        FRIDAY = 4, "Friday"
        SATURDAY = 5, "Saturday"
        SUNDAY = 6, "Sunday"

    name = models.CharField(max_length=80, unique=True)
    recipients = models.CharField(
        max_length=500,
        help_text="Mail addresses, separated by commas; each gets a mail of its own.",
    )
    period = models.CharField(max_length=10, choices=Period.choices, default=Period.DAILY)
    weekday = models.PositiveSmallIntegerField(
        choices=Weekday.choices, default=Weekday.MONDAY, help_text="Only for 'every week'."
    )
    hour = models.PositiveSmallIntegerField(
        default=6, validators=[MaxValueValidator(23)], help_text="0 to 23, in the shop's time zone."
    )
    is_active = models.BooleanField(default=True)
    last_sent_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="The due time up to which orders were sent.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(hour__lte=23), name="export_hour_in_day"),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="export_weekday_in_week"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def addresses(self) -> list[str]:
        """Sorted, each once."""
        return sorted({part.strip() for part in self.recipients.split(",") if part.strip()})
