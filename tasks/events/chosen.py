"""The sink and the source that a URL chooses. Only its own library is loaded."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tasks.events.address import Address, BadAddress, check_group, parse
from tasks.events.sink import EventSink, EventSource

# A batch is published while its rows are locked, and PostgreSQL ends a transaction that is idle for
# 30 s: to connect, to publish and to give up must fit into that.
_MAX_PUBLISH_SECONDS = 12.0

# What the settings do not name is not loaded.
# ruff: noqa: PLC0415


def chosen_address() -> Address:
    """Raises ImproperlyConfigured when EVENT_SINK_URL is empty or cannot be read."""
    if not settings.EVENT_SINK_URL:
        raise ImproperlyConfigured(
            "EVENT_SINK_URL is empty, so events are off and there is nothing to send or to read. "
            "docs/events/README.md shows the URL of each sink."
        )
    try:
        address = parse(settings.EVENT_SINK_URL)
        if address.scheme == "stomp":
            from tasks.events.activemq import groups_of

            groups_of(address)
    except BadAddress as error:
        raise ImproperlyConfigured(f"EVENT_SINK_URL: {error}") from error
    return address


def make_sink(address: Address, *, timeout_seconds: float) -> EventSink:
    """Connects on first use. Raises BadAddress."""
    timeout = min(timeout_seconds, _MAX_PUBLISH_SECONDS)
    match address.scheme:
        case "kafka":
            from tasks.events.kafka import KafkaSink

            return KafkaSink(address, timeout_seconds=timeout)
        case "rabbitmq-stream":
            from tasks.events.stream_sink import StreamSink

            return StreamSink(address, timeout_seconds=timeout)
        case "stomp":
            from tasks.events.activemq import StompSink

            return StompSink(address, timeout_seconds=timeout)
    raise BadAddress(f"There is no sink for {address.scheme}://.")


def make_source(address: Address, group: str) -> EventSource:
    """Connects at once. Raises BadAddress, BrokerTrouble."""
    check_group(group)
    match address.scheme:
        case "kafka":
            from tasks.events.kafka import KafkaSource

            return KafkaSource(address, group)
        case "rabbitmq-stream":
            from tasks.events.stream_source import StreamSource

            return StreamSource(address, group)
        case "stomp":
            from tasks.events.activemq import StompSource

            return StompSource(address, group)
    raise BadAddress(f"There is no source for {address.scheme}://.")
