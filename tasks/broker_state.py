"""What the code wants of the broker, what the broker has, and the difference between the two.

Both as plain facts in the words of RabbitMQ's management API. Pure: ``tasks.broker`` talks to it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tasks import topology

_DELAYED = "celery_delayed_delivery"
_APPLY_TO_OURS = ("queues", "all", "quorum_queues")

# Kind of thing and its name, to what is compared of it.
Facts = dict[tuple[str, str], dict[str, Any]]


class Kind(StrEnum):
    EXCHANGE = "exchange"
    QUEUE = "queue"
    BINDING = "binding"
    POLICY = "policy"
    EFFECT = "policy in effect on"


class Trouble(StrEnum):
    MISSING = "is missing"
    DIFFERENT = "is different"
    UNKNOWN = "is not in the code"


@dataclass(frozen=True, slots=True)
class Difference:
    kind: Kind
    name: str
    trouble: Trouble
    wanted: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        words = f"{self.kind} {self.name} {self.trouble}"
        if self.trouble is not Trouble.DIFFERENT:
            return words
        changes = [
            f"{key}: {self.found.get(key)!r}, wanted {self.wanted.get(key)!r}"
            for key in sorted(self.wanted.keys() | self.found.keys())
            if self.wanted.get(key) != self.found.get(key)
        ]
        return f"{words}: {'; '.join(changes)}"


def wanted() -> Facts:
    """All that ``tasks.topology`` says."""
    facts: Facts = {}
    for name in topology.queue_names():
        for queue in (topology.work_queue(name), topology.dead_queue(name)):
            facts[Kind.EXCHANGE, queue.exchange.name] = {
                "type": queue.exchange.type,
                "durable": queue.exchange.durable,
            }
            facts[Kind.QUEUE, queue.name] = {
                "durable": queue.durable,
                "arguments": dict(queue.queue_arguments or {}),
            }
            facts[Kind.BINDING, _binding(queue.exchange.name, queue.name, queue.routing_key)] = {}
    for name, policy in topology.policies().items():
        facts[Kind.POLICY, name] = policy
    for name in topology.queue_names():
        facts[Kind.EFFECT, name] = {"policy": topology.policy_name(name)}
    return facts


def found(
    exchanges: Iterable[Mapping[str, Any]],
    queues: Iterable[Mapping[str, Any]],
    bindings: Iterable[Mapping[str, Any]],
    policies: Sequence[Mapping[str, Any]],
) -> Facts:
    """The same facts out of the management API's lists; what is not ours is left out."""
    names = {
        name for work in topology.queue_names() for name in (work, topology.dead_queue_name(work))
    }
    facts: Facts = {}
    for one in exchanges:
        if one["name"] in names:
            facts[Kind.EXCHANGE, one["name"]] = {"type": one["type"], "durable": one["durable"]}
    for one in queues:
        if one["name"] in names:
            facts[Kind.QUEUE, one["name"]] = {
                "durable": one["durable"],
                "arguments": dict(one["arguments"]),
            }
    for one in bindings:
        # Every queue is bound to the default exchange, whose name is empty, by itself.
        if one["source"] and (one["source"] in names or one["destination"] in names):
            if _is_celerys(one):
                continue
            words = _binding(one["source"], one["destination"], one["routing_key"])
            facts[Kind.BINDING, words] = {}
    for one in policies:
        if one["name"].startswith(f"{topology.POLICY_NAME}-"):
            facts[Kind.POLICY, one["name"]] = {
                key: one[key] for key in ("pattern", "apply-to", "priority", "definition")
            }
    for name in topology.queue_names():
        if (effective := _in_effect(name, policies)) is not None:
            facts[Kind.EFFECT, name] = {"policy": effective}
    return facts


def _is_celerys(binding: Mapping[str, Any]) -> bool:
    """Every worker of quorum queues prepares Celery's native delayed delivery, which nobody uses
    here: a retry is a row."""
    return _DELAYED in (binding["source"], binding["destination"]) or (
        binding["source"] == binding["destination"]
        and binding["routing_key"] == f"#.{binding['source']}"
    )


def _in_effect(queue: str, policies: Iterable[Mapping[str, Any]]) -> str | None:
    """Of all policies that match, RabbitMQ applies the one with the highest priority, alone.

    Worked out here: in the list of queues the name appears only seconds after a change.
    """
    matching = [
        (one["priority"], one["name"])
        for one in policies
        if one["apply-to"] in _APPLY_TO_OURS and re.search(one["pattern"], queue)
    ]
    return max(matching)[1] if matching else None


def differences(wanted: Facts, found: Facts) -> list[Difference]:
    """In the order in which they can be mended: exchanges, queues, bindings, policies."""
    order = list(Kind)
    told = []
    for kind, name in sorted(
        wanted.keys() | found.keys(), key=lambda key: (order.index(Kind(key[0])), key[1])
    ):
        want, have = wanted.get((kind, name)), found.get((kind, name))
        if want is None:
            told.append(Difference(Kind(kind), name, Trouble.UNKNOWN))
        elif have is None:
            told.append(Difference(Kind(kind), name, Trouble.MISSING))
        elif want != have:
            told.append(Difference(Kind(kind), name, Trouble.DIFFERENT, want, have))
    return told


def _binding(exchange: str, queue: str, key: str) -> str:
    return f"{exchange} → {queue} by {key!r}"
