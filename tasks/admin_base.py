"""What the admin pages of all applications share."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest
from django.utils.html import format_html
from unfold.decorators import display

Shown = TypeVar("Shown", bound=Callable[..., Any])


def badge(description: str, colours: dict[str, str]) -> Callable[[Shown], Shown]:
    """A column of coloured labels: the method returns (value, words) or the value itself."""
    decorator: Callable[[Shown], Shown] = display(description=description, label=colours)
    return decorator


def pretty_json(value: Any) -> str:
    return format_html(
        '<pre style="white-space:pre-wrap;overflow-wrap:anywhere">{}</pre>',
        json.dumps(value, indent=2, default=str),
    )


class ReadOnlyAdmin:
    """Mix in before a ModelAdmin or an inline: rows are written by services, never by a form."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False
