"""What every event sink and every source can do, whichever broker is behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID


class BrokerTrouble(Exception):
    """The events' broker is away, refuses us or does not answer. Nothing was lost; try again."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for the sink. Messages of one ``key`` keep their order."""

    id: UUID
    key: str
    body: bytes


@dataclass(slots=True)
class Outcome:
    """What became of a batch.

    ``refused`` messages can never go out as they are; the value is the reason. A message that is in
    neither set is unsettled: it may or may not have gone out, and ``trouble`` says why.
    """

    confirmed: set[UUID] = field(default_factory=set)
    refused: dict[UUID, str] = field(default_factory=dict)
    trouble: str = ""

    def unsettled(self, batch: Sequence[Outgoing]) -> list[Outgoing]:
        return [m for m in batch if m.id not in self.confirmed and m.id not in self.refused]


class EventSink(Protocol):
    """Not thread-safe. Every wait inside is bounded."""

    def publish(self, batch: Sequence[Outgoing]) -> Outcome:
        """Hand over the batch with one wait for all its confirms. Never raises for the broker."""

    def close(self) -> None:
        """Drop the connection; nothing of an unsettled batch is sent afterwards."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message of a source, with what its broker needs to know it by."""

    body: bytes
    handle: Any


class EventSource(Protocol):
    """What one group reads. Not thread-safe. After BrokerTrouble: close, and make a new one."""

    def receive(self, wait_seconds: float) -> Received | None:
        """The next message, or None when there was none in time. Raises BrokerTrouble."""

    def done(self, received: Received) -> None:
        """This message and all before it need not come again. Written down soon, and by close."""

    def behind(self) -> int | None:
        """How many messages wait for this group; None when the broker cannot tell."""

    def close(self) -> None:
        """Write down what is done and leave. Bounded."""
