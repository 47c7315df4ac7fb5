"""docs/sweeps.md names every state of every model, and each sweep that it names exists."""

import re
from pathlib import Path

from django.apps import apps
from django.conf import settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")][1:]
STATE_FIELDS = ("status", "fulfilment")


def states() -> set[str]:
    """``Model value`` for each state that a row of the application can be in."""
    return {
        f"`{model.__name__}` {value}"
        for app in ("orders", "shop", "flash_sales", "tasks")
        for model in apps.get_app_config(app).get_models()
        for field in model._meta.get_fields()
        if field.name in STATE_FIELDS
        for value, _ in getattr(field, "choices", None) or ()
    }


def test_every_state_has_a_line_or_is_final() -> None:
    named = set(re.findall(r"`[A-Z][A-Za-z]+` [a-z_]+", PAGE))

    assert len(states()) > 10
    assert states() - named == set()


def test_no_line_is_about_a_state_that_is_gone() -> None:
    lines = {state for cell, *_ in ROWS for state in re.findall(r"`[A-Z][A-Za-z]+` [a-z_]+", cell)}

    assert lines - states() == set()


def test_every_sweep_that_is_named_is_on_beats_schedule_and_every_limit_is_a_setting() -> None:
    tasks = set(re.findall(r"`((?:orders|shop|tasks)\.[a-z_]+)`", " ".join(row[3] for row in ROWS)))
    limits = set(re.findall(r"`([A-Z_]+)`", " ".join(row[2] for row in ROWS)))

    assert tasks == set(settings.CELERY_BEAT_SCHEDULE)
    assert {name for name in limits if not hasattr(settings, name)} == set()
