"""Publishing a batch so that one bad message never stops the others."""

import time
from collections.abc import Sequence

from tasks.envelope import Unpublishable
from tasks.models import OutboxMessage
from tasks.publisher import BatchPublisher, ChannelRefused, Settled


def settle(
    publisher: BatchPublisher, messages: Sequence[OutboxMessage], *, deadline: float
) -> Settled:
    """Publish all; what no queue takes gets a second chance and is then unpublishable.

    The second chance is a new connection, on which the queues are declared again. ``deadline``, of
    the monotonic clock, bounds the search for a bad message; what is not settled by then is left.
    Raises PublishFailed when the broker as a whole is the trouble.
    """
    settled = _isolate(publisher, messages, deadline)
    if not settled.returned:
        return settled
    again = [message for message in messages if message.pk in settled.returned]
    settled.returned.clear()
    publisher.close()
    if time.monotonic() < deadline:
        settled.add(_isolate(publisher, again, deadline))
    for message_id, reason in settled.returned.items():
        settled.unpublishable[message_id] = Unpublishable("Unroutable", reason)
    return settled


def _isolate(
    publisher: BatchPublisher, messages: Sequence[OutboxMessage], deadline: float
) -> Settled:
    """Halve a batch over which the broker closes the channel, until the one to blame is alone.

    What went out before the channel was closed goes out again: doubled, not lost.
    """
    try:
        return publisher.publish(messages)
    except ChannelRefused:
        if len(messages) == 1:
            return _once_more(publisher, messages[0])
    settled, middle = Settled(), len(messages) // 2
    for half in (messages[:middle], messages[middle:]):
        if time.monotonic() < deadline:
            settled.add(_isolate(publisher, half, deadline))
    return settled


def _once_more(publisher: BatchPublisher, message: OutboxMessage) -> Settled:
    """Its exchange may only have been deleted: the new connection declares it again."""
    try:
        return publisher.publish([message])
    except ChannelRefused as refusal:
        return Settled(unpublishable={message.pk: Unpublishable(refusal.kind, refusal.reason)})
