"""How old rows are, by the clock of the database that wrote them."""

from django.db.models import ExpressionWrapper, F, FloatField
from django.db.models.expressions import Combinable
from django.db.models.functions import Extract, Now


def age_of(column: str) -> Combinable:
    """Seconds since the time in ``column``; below 0 for one that is still to come."""
    return ExpressionWrapper(Extract(Now() - F(column), "epoch"), output_field=FloatField())
