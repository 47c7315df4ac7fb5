"""ActiveMQ through STOMP 1.2: one transaction per batch, whose receipt says that it is on disk.

A queue forgets what was read, so each group of consumers has a queue of its own, and every event
goes to all of them at once (a composite destination). The groups are named in the URL
(``?groups=sales,search``), because a queue that nobody has made would miss events.
"""

import queue
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import stomp
from stomp.exception import StompException

from tasks.events.address import Address, BadAddress
from tasks.events.reach import refused_login, why_unreachable
from tasks.events.sink import BrokerTrouble, Outcome, Outgoing, Received

_CONNECT_SECONDS = 5.0
_HEARTBEAT_MS = 10_000
_PREFETCH = 100
_GOODBYE = "goodbye"
# StompWireFormat's words (maxDataLength). Any other refusal is no message's fault.
_TOO_LARGE = "maximum data length"


def groups_of(address: Address) -> list[str]:
    """Raises BadAddress when the URL names none."""
    names = [name for name in address.options.get("groups", "").split(",") if name]
    if not names:
        raise BadAddress(
            "A stomp:// URL names the groups that will read, since each has a queue of its own: "
            f"…/{address.destination}?groups=sales"
        )
    return names


def _queue_name(address: Address, group: str) -> str:
    return f"{address.destination}.{group}"


class _Listener(stomp.ConnectionListener):  # type: ignore[misc]  # the library has no types
    """Collects what the receiver thread hears."""

    def __init__(self) -> None:
        self.heard = threading.Event()
        self.receipts: set[str] = set()
        self.error = ""
        self.gone = False
        self.messages: queue.Queue[Any] = queue.Queue()

    def on_message(self, frame: Any) -> None:
        self.messages.put(frame)

    def on_receipt(self, frame: Any) -> None:
        self.receipts.add(frame.headers["receipt-id"])
        self.heard.set()

    def on_error(self, frame: Any) -> None:
        # The first one is the cause; the broker may go on to misread what follows.
        self.error = self.error or str(frame.headers.get("message") or frame.body)[:300]
        self.heard.set()

    def on_disconnected(self) -> None:
        self.gone = True
        self.heard.set()


class _Link:
    """A connection; a broken one is thrown away."""

    def __init__(self, address: Address) -> None:
        self.listener = _Listener()
        self.connection = stomp.StompConnection12(
            list(address.hosts),
            heartbeats=(_HEARTBEAT_MS, _HEARTBEAT_MS),
            reconnect_attempts_max=1,
            timeout=_CONNECT_SECONDS,
            auto_content_length=False,  # with a length ActiveMQ makes it a message of bytes
        )
        self.connection.set_listener("events", self.listener)
        try:
            self.connection.connect(address.user or None, address.password or None, wait=True)
        except (StompException, OSError) as error:
            self.close()
            unreachable = why_unreachable(address)
            if self.listener.error:
                raise BrokerTrouble(refused_login(address, self.listener.error)) from error
            raise BrokerTrouble(unreachable or "what listens there does not speak STOMP") from error

    def say_goodbye(self) -> None:
        """Wait until the broker has read all that was sent, such as the last acknowledgements."""
        listener = self.listener
        with suppress(StompException, OSError):
            self.connection.disconnect(receipt=_GOODBYE)
            deadline = time.monotonic() + _CONNECT_SECONDS
            while _GOODBYE not in listener.receipts and not listener.gone:
                if not listener.heard.wait(deadline - time.monotonic()):
                    return
                listener.heard.clear()

    def close(self) -> None:
        with suppress(StompException, OSError):
            self.connection.transport.disconnect_socket()
        with suppress(StompException, OSError):
            self.connection.transport.stop()


class StompSink:
    """``timeout_seconds`` bounds the wait for a batch's receipt."""

    def __init__(self, address: Address, *, timeout_seconds: float) -> None:
        self._address = address
        self._timeout = timeout_seconds
        names = [_queue_name(address, group) for group in groups_of(address)]
        self._destination = "/queue/" + ",".join(names)
        self._link: _Link | None = None

    def publish(self, batch: Sequence[Outgoing]) -> Outcome:
        outcome = Outcome()
        refusal = self._try(batch, outcome)
        if refusal:
            # The broker named no message, and took none: ask for each alone.
            for message in batch:
                why = self._try([message], outcome) if len(batch) > 1 else refusal
                if why:
                    outcome.refused[message.id] = f"ActiveMQ refused it: {why}"
        return outcome

    def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _try(self, batch: Sequence[Outgoing], outcome: Outcome) -> str:
        """One transaction: all or nothing. Why the broker refused it; empty when it did not."""
        if outcome.trouble:
            return ""
        try:
            if self._link is None:
                self._link = _Link(self._address)
            heard = self._commit(self._link, batch)
        except (BrokerTrouble, StompException, OSError) as error:
            self.close()
            outcome.trouble = why_unreachable(self._address) or str(error)
            return ""
        if not heard:
            outcome.confirmed |= {message.id for message in batch}
            return ""
        self.close()
        if _TOO_LARGE in heard:
            return heard
        outcome.trouble = f"ActiveMQ refuses to take events: {heard}"
        return ""

    def _commit(self, link: _Link, batch: Sequence[Outgoing]) -> str:
        """Empty when committed, the broker's error when it sent one. Raises BrokerTrouble."""
        mark = str(uuid.uuid4())
        connection, listener = link.connection, link.listener
        try:
            connection.begin(mark)
            for message in batch:
                connection.send(
                    self._destination,
                    message.body.decode(),
                    headers={
                        "transaction": mark,
                        "persistent": "true",
                        "event-id": str(message.id),
                        # One consumer of a queue at a time for each key.
                        "JMSXGroupID": message.key,
                    },
                )
            connection.send_frame("COMMIT", {"transaction": mark, "receipt": mark})
        except (StompException, OSError):
            # It hung up while we were writing; its last word may still be on the way.
            listener.heard.wait(self._timeout)
        for _ in range(len(batch) + 2):
            if mark in listener.receipts:
                listener.receipts.clear()
                return ""
            if listener.error:
                return listener.error
            if listener.gone:
                raise BrokerTrouble("ActiveMQ closed the connection before it took the batch")
            if not listener.heard.wait(self._timeout):
                break
            listener.heard.clear()
        raise BrokerTrouble(f"ActiveMQ sent no receipt within {self._timeout:g} s")


class StompSource:
    """Reads the group's own queue; what is not done when it leaves is delivered again."""

    def __init__(self, address: Address, group: str) -> None:
        self._address = address
        if group not in groups_of(address):
            raise BadAddress(
                f"The group '{group}' has no queue: EVENT_SINK_URL names "
                f"{', '.join(groups_of(address))}. Add it there (?groups=…) and restart the relay."
            )
        self._link = _Link(address)
        try:
            with self._told():
                self._link.connection.subscribe(
                    f"/queue/{_queue_name(address, group)}",
                    id="events",
                    ack="client-individual",
                    headers={"activemq.prefetchSize": str(_PREFETCH)},
                )
        except BrokerTrouble:
            self._link.close()
            raise

    def receive(self, wait_seconds: float) -> Received | None:
        listener = self._link.listener
        try:
            frame = listener.messages.get(timeout=wait_seconds)
        except queue.Empty:
            if listener.error or listener.gone:
                said = listener.error or "the connection to ActiveMQ ended"
                raise BrokerTrouble(why_unreachable(self._address) or said) from None
            return None
        return Received(str(frame.body).encode(), frame.headers["ack"])

    def done(self, received: Received) -> None:
        with self._told():
            self._link.connection.ack(received.handle)

    def behind(self) -> int | None:
        return None  # STOMP has no word for it; ActiveMQ's console shows the queue's size

    def close(self) -> None:
        self._link.say_goodbye()
        self._link.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (StompException, OSError) as error:
            raise BrokerTrouble(why_unreachable(self._address) or str(error)) from error
