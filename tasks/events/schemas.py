"""The JSON schema of every event type: ``<application>/event_schemas/<type>.v<version>.json``.

An event exists when its schema does: any application of the project may bring some, and nothing has
to be registered.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps
from jsonschema import Draft202012Validator

FOLDER = "event_schemas"
_FILE = re.compile(r"(?P<type>[a-z_]+(?:\.[a-z_]+)+)\.v(?P<version>[1-9][0-9]*)\.json")


class UnknownEvent(LookupError):
    """No application has a schema for this type and version."""


class BadEvent(ValueError):
    """The data of an event break its schema."""


@cache
def files() -> dict[tuple[str, int], Path]:
    """Every schema file by type and version. Raises BadEvent for a file with a wrong name."""
    found = {}
    for application in apps.get_app_configs():
        for path in sorted((Path(application.path) / FOLDER).glob("*.json")):
            match = _FILE.fullmatch(path.name)
            if match is None:
                raise BadEvent(f"{path} is no '<type>.v<version>.json', like order.paid.v1.json.")
            found[match["type"], int(match["version"])] = path
    return found


def check(event_type: str, version: int, data: dict[str, Any]) -> None:
    """Raises UnknownEvent, or BadEvent with the field and what is wrong with it."""
    error = next(iter(_validator(event_type, version).iter_errors(data)), None)
    if error is not None:
        where = error.json_path.removeprefix("$").lstrip(".") or "data"
        raise BadEvent(f"{event_type} v{version}, {where}: {error.message}")


def ensure_known(event_type: str, version: int) -> None:
    """Raises UnknownEvent."""
    if (event_type, version) not in files():
        known = ", ".join(f"{name} v{number}" for name, number in sorted(files()))
        raise UnknownEvent(
            f"There is no event '{event_type}' v{version}. Known: {known}. "
            f"A new one begins with its schema, {FOLDER}/{event_type}.v{version}.json."
        )


@cache
def _validator(event_type: str, version: int) -> Draft202012Validator:
    ensure_known(event_type, version)
    schema = json.loads(files()[event_type, version].read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
