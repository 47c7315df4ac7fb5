"""What PostgreSQL refuses is written in another way, and everything else is left alone."""

import json
from typing import Any

import pytest

from tasks.storable import storable


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("plain äö", "plain äö"),
        ("a\0b", "a\\0b"),
        ("half \ud800", "half \\ud800"),
        (float("nan"), "nan"),
        (1.5, 1.5),
        (None, None),
        ({"a\0": ["\0", {"b": float("inf")}]}, {"a\\0": ["\\0", {"b": "inf"}]}),
        ((1, 2), [1, 2]),
    ],
)
def test_what_cannot_be_kept_is_spelled_out(value: Any, kept: Any) -> None:
    assert storable(value) == kept
    json.dumps(storable(value), allow_nan=False).encode()
