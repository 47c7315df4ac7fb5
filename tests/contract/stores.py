"""The servers of the backends that keep their data: one of each for the whole run."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.contract.backend_rigs import StoreRig, postgres_rig, zookeeper_rig
from tests.contract.store_servers import (
    PostgresServer,
    ZooKeeperServer,
    running_postgres,
    running_zookeeper,
    why_no_zookeeper,
)


@pytest.fixture(scope="session")
def postgres_server(django_db_blocker: DjangoDbBlocker) -> Iterator[PostgresServer]:
    with running_postgres() as server:
        with django_db_blocker.unblock():
            server.make_table()
        yield server


@pytest.fixture(scope="session")
def zookeeper_server() -> Iterator[ZooKeeperServer]:
    if missing := why_no_zookeeper():
        pytest.skip(missing)
    with running_zookeeper() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> StoreRig:
    postgres_server.start()
    return postgres_rig(postgres_server)


@pytest.fixture
def zookeeper(zookeeper_server: ZooKeeperServer) -> StoreRig:
    zookeeper_server.start()
    return zookeeper_rig(zookeeper_server)
