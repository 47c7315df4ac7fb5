"""What the in-process tests have to themselves: a bank, and a virtual host of the broker.

The running shop's audit reads the whole ledger of its own bank, so nobody else may bank there.
"""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from celery import current_app
from celery._state import get_current_app
from django.conf import LazySettings
from django.db import connections
from kombu import Connection

from tasks import broker, topology
from tasks.relay import Relay
from tests.integration.sandbox_server import SandboxServer, running_sandbox


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with running_sandbox(tmp_path_factory.mktemp("bank")) as server:
        yield server


@pytest.fixture(autouse=True)
def banking(bank: SandboxServer, settings: LazySettings) -> None:
    settings.STRIPE_API_BASE = bank.base_url
    settings.STRIPE_API_KEY = bank.api_key


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


@pytest.fixture
def relaying(channel_to_broker: Connection) -> Iterator[None]:
    """The relay beside the test, as in life."""
    with closing(Relay(get_current_app())) as relay:

        def run() -> None:
            relay.run()
            connections.close_all()

        thread = threading.Thread(target=run)
        thread.start()
        yield
        relay.stop()
        thread.join(timeout=30)
