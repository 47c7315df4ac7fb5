"""Values that PostgreSQL can keep."""

import math
from typing import Any


def storable(value: Any) -> Any:
    """The value without what neither text nor JSON of PostgreSQL takes: NUL, half of a surrogate
    pair, a number that is none. What cannot be written down would come back for ever."""
    match value:
        case str():
            return value.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {storable(str(key)): storable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [storable(inner) for inner in value]
        case _:
            return value
