"""The difference between what the code wants of the broker and what is there."""

from typing import Any

import pytest

from tasks import topology
from tasks.broker_state import Facts, Kind, Trouble, differences, found, wanted

NOTHING: list[dict[str, Any]] = []


def test_an_empty_broker_lacks_everything() -> None:
    told = differences(wanted(), found(NOTHING, NOTHING, NOTHING, NOTHING))

    assert {one.trouble for one in told} == {Trouble.MISSING}
    assert {one.kind for one in told} == set(Kind)
    # Exchanges before the queues that are bound to them, and policies last.
    assert [one.kind for one in told] == sorted(
        (one.kind for one in told), key=lambda kind: list(Kind).index(kind)
    )


def test_what_is_as_wanted_is_no_difference() -> None:
    assert differences(wanted(), wanted()) == []


@pytest.mark.parametrize(
    ("have", "says"),
    [
        ({"type": "direct", "durable": True}, "type: 'direct', wanted 'topic'"),
        ({"type": "topic", "durable": False}, "durable: False, wanted True"),
    ],
)
def test_a_difference_names_what_is_there_and_what_is_wanted(
    have: dict[str, Any], says: str
) -> None:
    key = (Kind.EXCHANGE, "orders.payment")
    want: Facts = {key: {"type": "topic", "durable": True}}

    (told,) = differences(want, {key: have})

    assert str(told) == f"exchange orders.payment is different: {says}"


def test_what_belongs_to_others_is_not_looked_at() -> None:
    facts = found(
        exchanges=[{"name": "amq.topic", "type": "topic", "durable": True}],
        queues=[{"name": "celery@here.pidbox", "durable": False, "arguments": {}}],
        bindings=[
            {"source": "", "destination": "orders.payment", "routing_key": "orders.payment"},
            {"source": "celeryev", "destination": "flower", "routing_key": "#"},
        ],
        policies=[{"name": "mirrors", "pattern": "^ha", "apply-to": "all", "priority": 0}],
    )

    assert facts == {}


def test_a_binding_of_ours_that_the_code_does_not_know_is_told() -> None:
    stray = {"source": "amq.topic", "destination": "orders.payment", "routing_key": "#"}

    (told,) = differences({}, found(NOTHING, NOTHING, [stray], NOTHING))

    assert str(told) == "binding amq.topic → orders.payment by '#' is not in the code"


@pytest.mark.parametrize(
    ("pattern", "apply_to", "priority", "in_effect"),
    [
        ("^orders[.]", "queues", 11, "somebodys"),
        ("^orders[.]", "queues", 9, "soldonce-work-orders.payment"),
        ("^orders[.]", "exchanges", 11, "soldonce-work-orders.payment"),
        ("^other", "all", 11, "soldonce-work-orders.payment"),
    ],
)
def test_of_all_policies_that_match_the_one_with_the_highest_priority_is_in_effect(
    pattern: str, apply_to: str, priority: int, in_effect: str
) -> None:
    ours = [{"name": name, **policy} for name, policy in topology.policies().items()]
    other = {"pattern": pattern, "apply-to": apply_to, "priority": priority, "definition": {}}

    facts = found(NOTHING, NOTHING, NOTHING, [*ours, {"name": "somebodys", **other}])

    assert facts[Kind.EFFECT, "orders.payment"] == {"policy": in_effect}
