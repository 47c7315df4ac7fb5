"""What Django must check before a process with an event sink may start."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from tasks.events import schemas
from tasks.events.chosen import chosen_address


@register
def sink_can_be_read(
    app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """The URL makes sense and every schema has a proper name. Nothing is connected."""
    try:
        schemas.files()
        if settings.EVENT_SINK_URL:
            chosen_address()
    except (ImproperlyConfigured, schemas.BadEvent) as error:
        return [Error(str(error), id="tasks.E101")]
    return []
