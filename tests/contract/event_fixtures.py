"""The brokers of the event stream: one of each kind for the whole run."""

from collections.abc import Callable, Iterator

import pytest

from tests.contract.event_brokers import (
    ActiveMq,
    Broker,
    RabbitStream,
    Tansu,
    why_no_activemq,
)
from tests.contract.event_rig import EventRig
from tests.contract.store_servers import folder_for_all

KINDS = ("kafka", "rabbitmq-stream", "stomp")


@pytest.fixture(scope="session")
def tansu() -> Iterator[Tansu]:
    with folder_for_all() as folder:
        broker = Tansu(folder)
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()


@pytest.fixture(scope="session")
def activemq() -> Iterator[ActiveMq]:
    if missing := why_no_activemq():
        pytest.skip(missing)
    with folder_for_all() as folder:
        broker = ActiveMq(folder)
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()


@pytest.fixture(scope="session")
def rabbit_stream() -> RabbitStream:
    return RabbitStream()


@pytest.fixture(params=KINDS)
def event_rig(request: pytest.FixtureRequest) -> Iterator[EventRig]:
    names = dict(zip(KINDS, ("tansu", "rabbit_stream", "activemq"), strict=True))
    make: Callable[[str], Broker] = request.getfixturevalue
    broker = make(names[request.param])
    broker.start()
    rig = EventRig(broker, broker.url())
    try:
        yield rig
    finally:
        rig.close()
