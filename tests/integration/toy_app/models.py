"""Gifts of points, and the members who get them."""

import uuid

from django.db import models
from django.db.models.functions import Now

from tasks.fencing import FencedModel
from tasks.sweeping import SweptModel


class Member(models.Model):
    points = models.PositiveIntegerField(default=0)


class Gift(FencedModel, SweptModel):
    class Status(models.TextChoices):
        OWED = "owed", "owed"
        GRANTED = "granted", "granted, card not printed"
        PRINTED = "printed", "printed"

    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT)
    points = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OWED)
    changed_at = models.DateTimeField(db_default=Now())

    @property
    def subject(self) -> str:
        return f"gift:{self.pk}"
