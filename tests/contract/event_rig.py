"""A destination of its own on one of the brokers, and what a test does with it."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tasks.events.address import Address, parse
from tasks.events.chosen import make_sink, make_source
from tasks.events.sink import EventSink, EventSource, Outgoing, Received
from tests.contract.event_brokers import GROUP, Broker

TIMEOUT_SECONDS = 12.0
# A group needs some seconds to come together in Kafka.
READ_SECONDS = 60.0


def outgoing(body: str, key: str = "order:1") -> Outgoing:
    return Outgoing(uuid.uuid4(), key, body.encode())


def numbered(count: int, *, keys: int = 1) -> list[Outgoing]:
    return [outgoing(f"{n}", key=f"order:{n % keys}") for n in range(count)]


@dataclass
class EventRig:
    broker: Broker
    url: str
    _open: list[EventSink | EventSource] = field(default_factory=list)

    @property
    def address(self) -> Address:
        return parse(self.url)

    def sink(self, url: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> EventSink:
        made = make_sink(parse(url or self.url), timeout_seconds=timeout_seconds)
        self._open.append(made)
        return made

    @contextmanager
    def source(self, group: str = GROUP) -> Iterator[EventSource]:
        source = make_source(self.address, group)
        try:
            yield source
        finally:
            source.close()

    def publish(self, batch: list[Outgoing]) -> None:
        sink = self.sink()
        for start in range(0, len(batch), 500):
            part = batch[start : start + 500]
            outcome = sink.publish(part)
            assert outcome.confirmed == {message.id for message in part}, outcome.trouble

    def read(self, count: int, group: str = GROUP) -> list[str]:
        """So many bodies, all of them done."""
        with self.source(group) as source:
            return [text(one) for one in taken(source, count, done=True)]

    def close(self) -> None:
        for one in self._open:
            one.close()


def taken(source: EventSource, count: int, *, done: bool) -> list[Received]:
    found: list[Received] = []
    deadline = time.monotonic() + READ_SECONDS
    while len(found) < count:
        assert time.monotonic() < deadline, f"only {len(found)} of {count} came"
        received = source.receive(0.5)
        if received is not None:
            found.append(received)
            if done:
                source.done(received)
    return found


def text(received: Received) -> str:
    return received.body.decode()
