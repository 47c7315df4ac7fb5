"""The lease key of a task, made from its arguments."""

import string
from collections.abc import Mapping
from typing import Any

from tasks.errors import Permanent
from tasks.locks.limits import check_key


class LeaseKey:
    """A template like ``"order:{order_id}"`` over a task's keyword arguments.

    Values may be text or whole numbers. Anything else has no one spelling, and two spellings of one
    thing would be two locks.
    """

    def __init__(self, template: str) -> None:
        """Raises ValueError: the template can never become a key."""
        self.template = template
        try:
            parts = list(string.Formatter().parse(template))
        except ValueError as error:
            raise ValueError(f"The lease key {template!r} is no template: {error}.") from None
        self.names = [name for _, name, _, _ in parts if name is not None]
        odd = any(spec or conversion for _, _, spec, conversion in parts)
        if odd or not all(name.isidentifier() for name in self.names):
            raise ValueError(
                f"The lease key {template!r} may only hold plain argument names in braces, "
                "like 'order:{order_id}'."
            )
        check_key(template.format_map(dict.fromkeys(self.names, "x")))

    @property
    def family(self) -> str:
        """What metrics call it: the fixed text before the first colon, or empty."""
        head, colon, _ = self.template.partition(":")
        return head if colon and "{" not in head else ""

    def render(self, arguments: Mapping[str, Any]) -> str:
        """The key for these arguments. Raises Permanent: no retry will ever mend them."""
        for name in self.names:
            value = arguments.get(name)
            if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
                shown = f"is {value!r}" if name in arguments else "is missing"
                raise Permanent(
                    f"The lease key {self.template!r} needs the argument {name!r}, which {shown}. "
                    "Send it as text or a whole number; this message cannot be worked off."
                )
        key = self.template.format_map(arguments)
        try:
            check_key(key)
        except ValueError as error:
            raise Permanent(
                f"The lease key {self.template!r} became unusable: {error} "
                "Mend the sender; this message cannot be worked off."
            ) from None
        return key
