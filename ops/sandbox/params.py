"""Form-encoded parameters with nested brackets, read strictly."""

from typing import Any
from urllib.parse import parse_qsl

from ops.sandbox.answers import invalid

Params = dict[str, Any]  # text, or further Params

_DEEPEST = 5


def parse(encoded: str) -> Params:
    """``a[b][c]=1&e[]=x&e[]=y`` → ``{"a": {"b": {"c": "1"}}, "e": {"0": "x", "1": "y"}}``.

    Raises ApiError (400) for unbalanced brackets, too deep a nest, or a name that is both a value
    and a nest.
    """
    params: Params = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        _put(params, name, value)
    return params


def _put(params: Params, name: str, value: str) -> None:
    parts = _parts(name)
    place = params
    for part in parts[:-1]:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise invalid(f"The parameter {name} is given as a value and as a hash.", param=name)
    last = parts[-1] or str(len(place))
    if isinstance(place.get(last), dict):
        raise invalid(f"The parameter {name} is given as a value and as a hash.", param=name)
    place[last] = value


def _parts(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    if not bracket:
        return [name]
    if not head or not rest.endswith("]"):
        raise invalid(f"The parameter name {name[:80]} has unbalanced brackets.")
    parts = [head, *rest[:-1].split("][")]
    if len(parts) > _DEEPEST or any("[" in part or "]" in part for part in parts):
        raise invalid(f"The parameter name {name[:80]} has unbalanced or too deep brackets.")
    return parts


class Reader:
    """Takes parameters out one by one; ``done`` refuses what nobody took."""

    def __init__(self, params: Params) -> None:
        self._left = dict(params)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._left.pop(name, None)
        if value is None or value == "":
            if default is None:
                raise invalid(
                    f"Missing required param: {name}.", param=name, code="parameter_missing"
                )
            return default
        if not isinstance(value, str):
            raise invalid(f"Invalid string: {name} is a hash.", param=name)
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number of at least 1."""
        raw = self.text(name, None if default is None else str(default))
        if not (raw.isascii() and raw.isdigit()) or len(raw) > 12:
            raise invalid(
                f"Invalid integer: {raw[:40]}", param=name, code="parameter_invalid_integer"
            )
        if int(raw) < 1:
            raise invalid(
                f"{name} must be at least 1.", param=name, code="parameter_invalid_integer"
            )
        return int(raw)

    def flag(self, name: str) -> bool:
        raw = self.text(name, "false")
        if raw not in ("true", "false"):
            raise invalid(f"Invalid boolean: {raw[:40]}", param=name)
        return raw == "true"

    def texts(self, name: str) -> dict[str, str]:
        """A hash of texts; empty when it was not given."""
        value = self._left.pop(name, {})
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise invalid(f"Invalid hash: {name}", param=name)
        return value

    def ignore(self, *names: str) -> None:
        """Parameters that Stripe knows and that change nothing here."""
        for name in names:
            self._left.pop(name, None)

    def done(self) -> None:
        for name in self._left:
            raise invalid(
                f"Received unknown parameter: {name[:80]}", param=name, code="parameter_unknown"
            )
