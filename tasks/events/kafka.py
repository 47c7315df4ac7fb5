"""Kafka through librdkafka: one flush per batch, a delivery report per message.

The producer is idempotent (KIP-98), so a retry inside librdkafka neither doubles nor reorders. A
new producer has a new identity: what a dead one left unsettled is sent again and may be doubled.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from tasks.events.address import Address
from tasks.events.reach import refused_login, why_unreachable
from tasks.events.sink import BrokerTrouble, Outcome, Outgoing, Received

log = logging.getLogger(__name__)

# A refused login ends the connection; these say so, the rest is an outage.
_LOGIN = {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}
_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}
_NO_TOPIC = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}
# librdkafka complains ten times a second while a broker is away; we say it once, in ``trouble``.
_QUIET = logging.getLogger(f"{__name__}.librdkafka")
_QUIET.setLevel(logging.CRITICAL)
_WAIT_SECONDS = 3.0
_COMMIT_EVERY_MS = 1_000


def _common(address: Address) -> dict[str, Any]:
    login = (
        {
            "sasl.username": address.user,
            "sasl.password": address.password,
            "sasl.mechanism": "PLAIN",
            "security.protocol": "SASL_SSL",
        }
        if address.user
        else {}
    )
    return {
        "bootstrap.servers": ",".join(f"{host}:{port}" for host, port in address.hosts),
        "reconnect.backoff.ms": 200,
        "reconnect.backoff.max.ms": 2_000,
        **login,
        # Any property of librdkafka may stand in the URL: ?security.protocol=SASL_PLAINTEXT
        **address.options,
    }


class _Errors:
    """The last thing that librdkafka said about the connection itself."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.last: KafkaError | None = None

    def note(self, error: KafkaError) -> None:
        # 'All brokers down' only follows from what was said before it.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.last = error

    def explain(self, error: KafkaError) -> str:
        code = error.code()
        if code in _NO_TOPIC:
            return f"the topic '{self._address.destination}' does not exist: create it first"
        if self.last is not None and self.last.code() in _LOGIN | {KafkaError._SSL}:
            return refused_login(self._address, self.last.str())
        unreachable = why_unreachable(self._address)
        said = f"; {self.last.str()}" if self.last is not None else ""
        return unreachable or f"{error.str()}{said}"


def _refuse_bad_options(address: Address, error: KafkaException) -> BrokerTrouble:
    return BrokerTrouble(f"librdkafka does not take the options in EVENT_SINK_URL: {error}")


class KafkaSink:
    """``timeout_seconds`` bounds a batch: what is not delivered by then is never sent later."""

    def __init__(self, address: Address, *, timeout_seconds: float) -> None:
        self._address = address
        self._timeout = timeout_seconds
        self._errors = _Errors(address)
        self._producer: Producer | None = None

    def publish(self, batch: Sequence[Outgoing]) -> Outcome:
        try:
            outcome, too_large = self._flush(batch)
            for message in too_large:
                if outcome.trouble:
                    break
                # The broker refuses a set of messages as one, so each is asked for alone.
                alone, still = self._flush([message])
                outcome.confirmed |= alone.confirmed
                outcome.refused |= alone.refused
                outcome.refused |= {m.id: "too large for the broker" for m in still}
                outcome.trouble = alone.trouble
        except BrokerTrouble as error:
            outcome = Outcome(trouble=str(error))
        if outcome.trouble:
            self.close()
        return outcome

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge(in_queue=True, in_flight=True, blocking=True)
            producer.flush(0)

    def _flush(self, batch: Sequence[Outgoing]) -> tuple[Outcome, list[Outgoing]]:
        producer = self._open()
        outcome = Outcome()
        failed: dict[UUID, KafkaError] = {}
        for message in batch:
            try:
                producer.produce(
                    self._address.destination,
                    value=message.body,
                    key=message.key,
                    on_delivery=partial(_note, message.id, outcome, failed),
                )
            except BufferError as error:
                outcome.trouble = f"librdkafka's buffer is full ({error})"
                break
            except KafkaException as error:
                if error.args[0].code() not in _TOO_LARGE:
                    raise BrokerTrouble(self._errors.explain(error.args[0])) from error
                outcome.refused[message.id] = "too large: see message.max.bytes"
        # message.timeout.ms settles every message before this wait ends.
        producer.flush(self._timeout + 1.0)
        too_large = [m for m in batch if m.id in failed and failed[m.id].code() in _TOO_LARGE]
        others = [error for error in failed.values() if error.code() not in _TOO_LARGE]
        if others:
            outcome.trouble = self._errors.explain(others[0])
        return outcome, too_large

    def _open(self) -> Producer:
        if self._producer is None:
            self._errors.last = None
            try:
                self._producer = Producer(
                    {
                        "enable.idempotence": True,  # includes acks=all and ordered retries
                        "compression.type": "zstd",
                        "linger.ms": 5,
                        "topic.metadata.propagation.max.ms": int(self._timeout * 500),
                        **_common(self._address),
                        "message.timeout.ms": int(self._timeout * 1_000),
                        "error_cb": self._errors.note,
                    },
                    logger=_QUIET,
                )
            except KafkaException as error:
                raise _refuse_bad_options(self._address, error) from error
        return self._producer


def _note(
    message_id: UUID,
    outcome: Outcome,
    failed: dict[UUID, KafkaError],
    error: KafkaError | None,
    _: Message,
) -> None:
    if error is None:
        outcome.confirmed.add(message_id)
    else:
        failed[message_id] = error


class KafkaSource:
    """A member of the consumer group. Positions are committed behind what is done, once a second.

    A handler may take up to ``max.poll.interval.ms`` (five minutes) with all its retries; after
    that Kafka gives the partitions to somebody else, and the events come twice.
    """

    def __init__(self, address: Address, group: str) -> None:
        self._errors = _Errors(address)
        try:
            self._consumer = Consumer(
                {
                    "auto.offset.reset": "earliest",
                    "partition.assignment.strategy": "cooperative-sticky",
                    "session.timeout.ms": 10_000,
                    "topic.metadata.refresh.interval.ms": 10_000,
                    **_common(address),
                    "group.id": group,
                    "enable.auto.offset.store": False,
                    "auto.commit.interval.ms": _COMMIT_EVERY_MS,
                    "error_cb": self._errors.note,
                },
                logger=_QUIET,
            )
            self._consumer.subscribe([address.destination])
        except KafkaException as error:
            raise _refuse_bad_options(address, error) from error

    def receive(self, wait_seconds: float) -> Received | None:
        message = self._consumer.poll(wait_seconds)
        if message is None:
            if self._errors.last is not None:
                error, self._errors.last = self._errors.last, None
                raise BrokerTrouble(self._errors.explain(error))
            return None
        problem = message.error()
        if problem is None:
            self._errors.last = None
            return Received(message.value() or b"", message)
        if problem.code() in _NO_TOPIC:
            return None  # the first event makes it, where the broker creates topics
        raise BrokerTrouble(self._errors.explain(problem))

    def done(self, received: Received) -> None:
        try:
            self._consumer.store_offsets(message=received.handle)
        except KafkaException as error:
            # The partition has gone to another member, who will see this event again and know it.
            log.info("a position was not kept: %s", error)

    def behind(self) -> int | None:
        waiting = 0
        try:
            for partition in self._consumer.position(self._consumer.assignment()):
                low, high = self._consumer.get_watermark_offsets(partition, cached=True)
                at = partition.offset if partition.offset >= 0 else self._committed(partition, low)
                waiting += max(0, high - at)
        except KafkaException:
            return None
        return waiting

    def _committed(self, partition: Any, low: int) -> int:
        (known,) = self._consumer.committed([partition], timeout=_WAIT_SECONDS)
        return int(known.offset) if known.offset >= 0 else low

    def close(self) -> None:
        self._consumer.close()
