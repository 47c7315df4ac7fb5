from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.locks.redlock import Redlock
from tests.contract.event_fixtures import activemq, event_rig, rabbit_stream, tansu
from tests.contract.redis_nodes import PREFIX, Nodes, running
from tests.contract.stores import postgres, postgres_server, zookeeper, zookeeper_server

__all__ = [
    "activemq",
    "event_rig",
    "postgres",
    "postgres_server",
    "rabbit_stream",
    "tansu",
    "zookeeper",
    "zookeeper_server",
]

MakeClient = Callable[..., Redlock]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with running(3, tmp_path) as started:
        yield started


@pytest.fixture
def five_nodes(tmp_path: Path) -> Iterator[Nodes]:
    with running(5, tmp_path) as started:
        yield started


@pytest.fixture
def client() -> Iterator[MakeClient]:
    """Makes lock clients, each with connections of its own as another process would have."""
    made: list[Redlock] = []

    def make(nodes: Nodes, **options: float) -> Redlock:
        options = {"max_ttl": 2.0, "node_timeout": 0.25, **options}
        made.append(Redlock(nodes.urls, prefix=PREFIX, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for backend in made:
        backend.close()
