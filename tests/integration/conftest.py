"""The in-process tests' own virtual host of the broker, with its queues, empty before each test."""

from collections.abc import Iterator

import pytest
from celery import current_app
from kombu import Connection

from tasks import broker, topology


@pytest.fixture(scope="session")
def declared_broker() -> None:
    broker.declare()
    broker.put_policies()


@pytest.fixture
def channel_to_broker(declared_broker: None) -> Iterator[Connection]:
    with current_app.connection_for_write() as connection:
        for name in topology.queue_names():
            for queue in (topology.work_queue(name), topology.dead_queue(name)):
                queue(connection.default_channel).purge()
        yield connection
