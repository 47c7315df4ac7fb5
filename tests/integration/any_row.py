"""One row of any model: one that there is, else one made of its required fields."""

import uuid
from typing import Any

from django.db import models
from django.utils import timezone


def any_row(model: type[models.Model]) -> models.Model:
    """A model whose constraints refuse such a row needs a row of the test's own beforehand."""
    found = model._default_manager.first()
    return found or model._default_manager.create(**_required(model))


def _required(model: type[models.Model]) -> dict[str, Any]:
    fields = [field for field in model._meta.fields if not isinstance(field, models.AutoField)]
    return {
        field.name: _value(field)
        for field in fields
        if not (field.has_default() or field.null or field.blank or field.has_db_default())
    }


def _value(field: "models.Field[Any, Any]") -> Any:
    if isinstance(field, models.ForeignKey):
        return any_row(field.related_model)
    if field.choices:
        return str(field.choices[0][0])
    match field:
        case models.UUIDField():
            return uuid.uuid4()
        case models.DateTimeField():
            return timezone.now()
        case models.DateField():
            return timezone.localdate()
        case models.IntegerField():
            return 1
        case models.JSONField():
            return {}
        case models.EmailField():
            return "any@example.com"
        case models.URLField():
            return "https://example.com/"
        case _:
            return "any"
