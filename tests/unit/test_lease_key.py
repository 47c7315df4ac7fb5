"""Lease keys made from a task's arguments."""

from typing import Any

import pytest

from tasks.errors import Permanent
from tasks.lease_key import LeaseKey


def test_a_key_is_made_from_the_arguments() -> None:
    key = LeaseKey("order:{order_id}:{step}")
    assert key.render({"order_id": 42, "step": "pay", "unrelated": []}) == "order:42:pay"
    assert key.family == "order"
    assert LeaseKey("sweep:expire_holds").render({}) == "sweep:expire_holds"


@pytest.mark.parametrize(
    "template",
    ["order:{", "order:{}", "order:{0}", "order:{order.id}", "order:{a[0]}", "order:{a!r}",
     "order:{a:>9}", "order {a}", "", "order:{{a}}"],
)  # fmt: skip
def test_a_template_that_can_never_be_a_key_is_refused_when_it_is_declared(template: str) -> None:
    with pytest.raises(ValueError):
        LeaseKey(template)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "is missing"),
        ({"order_id": None}, "is None"),
        ({"order_id": ""}, "is ''"),
        ({"order_id": True}, "is True"),
        ({"order_id": 1.0}, "is 1.0"),
        ({"order_id": [1]}, r"is \[1\]"),
        ({"order_id": "4 2"}, "without blanks"),
        ({"order_id": "x{y}"}, "without blanks and braces"),
        ({"order_id": "x" * 300}, "longer than"),
    ],
)
def test_arguments_that_make_no_key_are_permanent_and_say_what_to_do(
    arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Permanent, match=reason) as refused:
        LeaseKey("order:{order_id}").render(arguments)
    assert "cannot be worked off" in str(refused.value)


def test_a_family_needs_a_fixed_beginning() -> None:
    assert LeaseKey("{kind}:{number}").family == ""
    assert LeaseKey("plain").family == ""
