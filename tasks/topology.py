"""Exchanges, queues and the broker policy, derived from ``settings.TASK_QUEUES``.

Each queue has a topic exchange and a routing key of its own name, and a dead queue beside it. All
queues are quorum queues (replicated, fsynced before a confirm). What may change later (delivery
limit, dead-lettering) is in a policy, because queue arguments cannot be changed afterwards.
"""

from functools import cache
from typing import Any

from django.conf import settings
from kombu import Exchange, Queue

QUORUM = {"x-queue-type": "quorum"}
POLICY_NAME = "soldonce-work"
# A message that was delivered this often and never settled kills its worker: take it out.
DELIVERY_LIMIT = 20
MAX_LENGTH = 500_000


def queue_names() -> list[str]:
    return sorted(set(settings.TASK_QUEUES.values()))


def dead_queue_name(name: str) -> str:
    return f"{name}.dead"


@cache
def work_queue(name: str) -> Queue:
    return Queue(name, Exchange(name, type="topic"), routing_key=name, queue_arguments=QUORUM)


@cache
def dead_queue(name: str) -> Queue:
    dead = dead_queue_name(name)
    return Queue(dead, Exchange(dead, type="topic"), routing_key="#", queue_arguments=QUORUM)


def queues() -> list[Queue]:
    return [work_queue(name) for name in queue_names()]


def route(name: str, *_: Any, **__: Any) -> dict[str, Any] | None:
    """Celery's router: the queue of a task, or None for a task that is not ours."""
    queue = settings.TASK_QUEUES.get(name)
    return {"queue": queue} if queue else None


def policy_name(queue: str) -> str:
    return f"{POLICY_NAME}-{queue}"


def policies() -> dict[str, dict[str, Any]]:
    """One policy per work queue, keyed by policy name, in the management API's own shape."""
    return {
        policy_name(name): {
            "pattern": f"^{name.replace('.', '[.]')}$",
            "apply-to": "queues",
            "priority": 10,
            "definition": {
                "dead-letter-exchange": dead_queue_name(name),
                "dead-letter-strategy": "at-least-once",
                "overflow": "reject-publish",
                "max-length": MAX_LENGTH,
                "delivery-limit": DELIVERY_LIMIT,
            },
        }
        for name in queue_names()
    }
