"""setup_broker mends what can be mended and says what it did; check_broker says what differs."""

from collections.abc import Iterator
from io import StringIO

import pytest
from celery import current_app
from django.core.management import CommandError, call_command
from kombu import Connection, Exchange, Queue

from tasks import broker, topology
from tasks.broker_state import Kind

QUEUE = "orders.maintenance"


@pytest.fixture
def mended(channel_to_broker: Connection) -> Iterator[Connection]:
    """The broker as the code wants it, before and after."""
    for left in broker.set_up().left:
        # Policies of queues that other tests have had.
        if left.kind is Kind.POLICY:
            broker.management("DELETE", f"policies/{vhost()}/{left.name}")
    yield channel_to_broker
    broker.set_up()
    assert broker.compare() == []


def vhost() -> str:
    return str(current_app.connection_for_read().virtual_host)


def run(command: str) -> str:
    """What it writes; with its own words behind when it fails."""
    out = StringIO()
    try:
        call_command(command, stdout=out)
    except CommandError as error:
        out.write(f"FAILED: {error}")
    return out.getvalue()


def test_a_broker_that_is_set_up_is_left_alone_the_second_time(mended: Connection) -> None:
    assert "Nothing had to be changed." in run("setup_broker")
    assert run("check_broker") == "The broker is as the code wants it.\n"


def test_what_is_missing_or_changed_is_named_and_mended(mended: Connection) -> None:
    policy = topology.policy_name("orders.payment")
    topology.work_queue(QUEUE)(mended.default_channel).delete()
    changed = {**topology.policies()[policy], "priority": 3}
    broker.management("PUT", f"policies/{vhost()}/{policy}", changed)

    told = run("check_broker")
    assert f"queue {QUEUE} is missing" in told
    assert f"policy {policy} is different: priority: 3, wanted 10" in told
    assert "FAILED" in told

    done = run("setup_broker")
    assert f"created: queue {QUEUE}" in done
    assert f"changed: policy {policy}" in done
    assert "FAILED" not in done + run("check_broker")


def test_a_binding_that_the_code_does_not_know_is_told_and_left(mended: Connection) -> None:
    bound = Queue(QUEUE)(mended.default_channel)
    bound.bind_to(exchange="amq.topic", routing_key="stray")
    try:
        assert "left as it is: binding amq.topic" in run("setup_broker")
        assert "is not in the code" in run("check_broker")
    finally:
        bound.unbind_from(exchange=Exchange("amq.topic"), routing_key="stray")


def test_a_policy_of_somebody_else_that_overrides_ours_is_told(mended: Connection) -> None:
    path = f"policies/{vhost()}/somebodys"
    other = {"pattern": "^orders[.]", "priority": 99, "definition": {"max-length": 5}}
    broker.management("PUT", path, {**other, "apply-to": "queues"})
    try:
        told = run("check_broker")
        assert f"policy in effect on {QUEUE} is different: policy: 'somebodys'" in told
        assert "FAILED" in run("setup_broker")
    finally:
        broker.management("DELETE", path)


def test_a_queue_of_another_type_is_left_with_its_messages_and_named(mended: Connection) -> None:
    channel = mended.default_channel
    topology.work_queue(QUEUE)(channel).delete()
    classic = Queue(QUEUE, Exchange(QUEUE, type="topic"), routing_key=QUEUE)(channel)
    classic.declare()
    try:
        with mended.Producer() as producer:
            producer.publish("kept", exchange=QUEUE, routing_key=QUEUE)

        done = run("setup_broker")

        assert f"left as it is: queue {QUEUE} is different: arguments: {{}}" in done
        assert "delete it" in done
        message = classic.get(no_ack=True)
        assert message is not None
        assert message.body == "kept"
    finally:
        classic.delete()
