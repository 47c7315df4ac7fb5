"""Queues, dead queues and policies follow from the one setting."""

import re

from django.conf import settings

from tasks import topology


def test_every_task_has_a_quorum_queue_with_a_dead_queue_beside_it() -> None:
    names = {queue.name for queue in topology.queues()}

    assert names == set(settings.TASK_QUEUES.values())
    for name in names:
        assert topology.work_queue(name).queue_arguments == {"x-queue-type": "quorum"}
        assert topology.dead_queue(name).queue_arguments == {"x-queue-type": "quorum"}


def test_a_policy_covers_its_queue_and_not_the_dead_one() -> None:
    for policy in topology.policies().values():
        matched = [
            name
            for queue in topology.queue_names()
            for name in (queue, topology.dead_queue_name(queue))
            if re.search(policy["pattern"], name)
        ]
        assert len(matched) == 1
        assert policy["definition"]["dead-letter-exchange"] == f"{matched[0]}.dead"


def test_no_routing_key_is_the_suffix_of_another() -> None:
    # Celery's delayed delivery binds by suffix; an overlap would deliver a message twice.
    keys = [queue.routing_key for queue in topology.queues()]

    assert not [(a, b) for a in keys for b in keys if a != b and a.endswith(b)]


def test_a_task_that_is_not_ours_has_no_route() -> None:
    assert topology.route("somebody.elses_task") is None
