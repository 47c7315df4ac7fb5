"""Why a message came to a bad end: the closed list that staff filter by."""

from django.db import models


class Cause(models.TextChoices):
    """What ended the message. ``docs/dead-letters.md`` says what to do for each."""

    EXHAUSTED = "exhausted", "attempts used up"
    TOO_OLD = "too_old", "too old"
    PERMANENT = "permanent", "permanent error"
    POISON = "poison", "killed its worker"
    UNDECODABLE = "undecodable", "cannot be read"
    UNKNOWN_TASK = "unknown_task", "unknown task"
    UNROUTABLE = "unroutable", "no queue takes it"
    TOO_LARGE = "too_large", "too large"


# The message itself is whole, or its order's state holds all that it said: the sweeps may send the
# next step again while the letter waits.
HEALED_BY_SWEEPS = (Cause.POISON, Cause.UNDECODABLE)
