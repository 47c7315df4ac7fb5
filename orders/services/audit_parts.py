"""What other applications add to ``manage.py audit``: each a part of the orders with rules of its
own, and an option that chooses it."""

from collections.abc import Callable
from dataclasses import dataclass

from orders.services.audit_faults import Rule


class CannotProve(Exception):
    """It could not be found out; ``str()`` says why."""


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """``rules``: what was checked beyond the orders with ``order_ids``, which are audited next."""

    rules: tuple[Rule, ...]
    order_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """``prove``: from the option's value, and whether nothing should be in flight any more. It
    raises CannotProve."""

    option: str
    metavar: str
    help: str
    prove: Callable[[str, bool], PartAnswer]


PARTS: dict[str, Part] = {}


def add_part(part: Part) -> None:
    """Called once, when the application is loaded."""
    PARTS[part.option] = part
