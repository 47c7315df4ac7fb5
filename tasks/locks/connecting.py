"""Making connections to lock nodes, away from the threads that use them.

On short-lived threads, because a server that accepts and says nothing must not hold up those that
work; with a backoff per node.
"""

import logging
import random
import threading
from collections.abc import Sequence
from contextlib import suppress

from tasks.clock import Clock
from tasks.locks.decision import majority
from tasks.locks.node import CONNECT_ERRORS, Node, Session, open_session
from tasks.locks.observer import LockObserver

logger = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS = 0.05
_LAST_BACKOFF_SECONDS = 2.0


class _Attempt:
    """When a node may be tried again, and the connection that a thread has made for it."""

    def __init__(self) -> None:
        self.failures = 0
        self.retry_at = 0.0
        self.running = False
        self.session: Session | None = None

    def failed(self, now: float) -> None:
        self.failures += 1
        longest = min(_LAST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2 ** min(self.failures, 10))
        self.retry_at = now + random.uniform(longest / 2, longest)


class Connector:
    """Used by one thread at a time."""

    def __init__(
        self,
        nodes: Sequence[Node],
        timeout: float,
        clock: Clock,
        observer: LockObserver,
        loading: Sequence[bytes],
    ) -> None:
        """``loading``: commands to send on a new connection. ``timeout`` in seconds."""
        self._nodes = nodes
        self._timeout = timeout
        self._clock = clock
        self._observer = observer
        self._loading = loading
        self._attempts = [_Attempt() for _ in nodes]
        self._changed = threading.Condition()
        self._closed = False

    def connect(self, now: float) -> list[tuple[Node, Session]]:
        """Ask for what is missing; the connections that have been made. Waits for them only while
        fewer than a majority of nodes is usable."""
        self._ask(now)
        with self._changed:
            self._changed.wait_for(self._enough, timeout=2 * self._timeout)
            return self._fresh()

    def close(self) -> None:
        """Also those that are still being made."""
        with self._changed:
            self._closed = True
            for session in self.sessions():
                session.connection.disconnect()

    def sessions(self) -> list[Session]:
        """Made, and not taken over yet."""
        return [each.session for each in self._attempts if each.session is not None]

    def _enough(self) -> bool:
        now = self._clock.monotonic()
        usable = sum(node.connected and not node.stalled(now) for node in self._nodes)
        running = any(each.running for each in self._attempts)
        return not running or usable + len(self.sessions()) >= majority(len(self._nodes))

    def _ask(self, now: float) -> None:
        with self._changed:
            for node, attempt in zip(self._nodes, self._attempts, strict=True):
                idle = not attempt.running and attempt.session is None
                if not node.connected and idle and now >= attempt.retry_at:
                    self._start(node, attempt)

    def _start(self, node: Node, attempt: _Attempt) -> None:
        thread = threading.Thread(
            target=self._run, args=(node, attempt), name=f"lock-connect-{node.name}", daemon=True
        )
        # An interpreter that is shutting down starts no threads; the node then stays away.
        with suppress(RuntimeError):
            thread.start()
            attempt.running = True

    def _run(self, node: Node, attempt: _Attempt) -> None:
        """On a thread of its own; hands the connection over under the condition."""
        session = None
        try:
            session = open_session(node.url, self._timeout, self._loading)
        except CONNECT_ERRORS as error:
            node.down_reason = str(error) or type(error).__name__
            self._observer.node_failed(node.name, node.down_reason)
            if attempt.failures == 0:
                logger.warning("lock node %s cannot be used: %s", node.name, node.down_reason)
        finally:
            with self._changed:
                attempt.running = False
                if session is None:
                    attempt.failed(self._clock.monotonic())
                elif self._closed:
                    session.connection.disconnect()
                else:
                    attempt.session = session
                self._changed.notify_all()

    def _fresh(self) -> list[tuple[Node, Session]]:
        """What has been made, without a server that is in use already under another name."""
        known = {node.run_id: node for node in self._nodes if node.connected}
        fresh = []
        for node, attempt in zip(self._nodes, self._attempts, strict=True):
            session, attempt.session = attempt.session, None
            if session is None:
                continue
            twin = known.setdefault(session.run_id, node)
            if twin is not node:
                node.down_reason = f"it is the same server as {twin.name}: list each node once"
                logger.error("lock node %s cannot be used: %s", node.name, node.down_reason)
                session.connection.disconnect()
                attempt.failed(self._clock.monotonic())
                continue
            attempt.failures, attempt.retry_at = 0, 0.0
            fresh.append((node, session))
        return fresh
