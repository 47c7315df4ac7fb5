"""All lock nodes at once: write to all, read whoever answers first, wait for nobody in particular.

One connection per node and no thread per node. Only (re)connecting happens on short-lived threads,
because a server that accepts and says nothing must not hold up those that work.
"""

import logging
import random
import select
import threading
from collections.abc import Sequence
from contextlib import suppress

from tasks.clock import Clock
from tasks.locks.decision import majority
from tasks.locks.messages import Failed, Release, Reply, Request
from tasks.locks.node import CONNECT_ERRORS, Node, Session, open_session
from tasks.locks.wire import Terms, encode

logger = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS = 0.05
_LAST_BACKOFF_SECONDS = 2.0
# A node silent for so long is gone without a goodbye (power, network): only a new connection helps.
_GIVE_UP_SECONDS = 10.0


class _Reconnect:
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


class Fanout:
    """The connections of one process. Used by one thread at a time (the caller's lock)."""

    def __init__(self, urls: Sequence[str], terms: Terms, timeout: float, clock: Clock) -> None:
        self.nodes = [Node(index, url, timeout) for index, url in enumerate(urls)]
        self._terms = terms
        self._timeout = timeout
        self._clock = clock
        self._round_id = 0
        self._poll = select.poll()
        self._by_fd: dict[int, Node] = {}
        self._ready: list[tuple[int, Reply]] = []
        self._reconnects = [_Reconnect() for _ in urls]
        self._changed = threading.Condition()
        self._closed = False

    def begin(self) -> None:
        """Start a round: late replies are collected and lost connections asked for again. Waits
        for connections being made only while fewer than a majority is usable."""
        self._round_id += 1
        self._ready.clear()
        self._collect(0.0)
        now = self._clock.monotonic()
        for node in self.nodes:
            if node.overdue(now) > _GIVE_UP_SECONDS:
                self._lost(node, node.drop("no answer for a long time"))
        if all(node.connected for node in self.nodes):
            return
        self._ask_again(now)
        with self._changed:
            self._changed.wait_for(self._enough, timeout=2 * self._timeout)
        self._adopt()

    def send(self, node_index: int, request: Request) -> bool:
        """Write a request of the current round. False if the node cannot have got it; ``receive``
        then gives the reason as the node's reply."""
        node, now = self.nodes[node_index], self._clock.monotonic()
        # A stalled node gets nothing new, but what it may have granted must be taken back.
        if node.stalled(now) and not isinstance(request, Release):
            self._ready.append((node_index, Failed("still busy with earlier requests")))
            return False
        if not node.connected:
            self._ready.append((node_index, Failed(node.down_reason)))
            return False
        failed = node.send(encode(request, self._terms, node.run_id), self._round_id, now)
        if failed:
            self._lost(node, failed)
        return True

    def receive(self, timeout: float) -> list[tuple[int, Reply]]:
        """Replies of the current round as (node, reply); at most ``timeout`` seconds of waiting."""
        if not self._ready:
            self._collect(timeout)
        replies, self._ready = self._ready, []
        return replies

    def close(self) -> None:
        """Drop all connections, also those that are still being made."""
        with self._changed:
            self._closed = True
            for state in self._reconnects:
                if state.session is not None:
                    state.session.connection.disconnect()
        for node in self.nodes:
            node.drop("closed")

    def abandon(self) -> None:
        """In a forked child: let go of the parent's sockets without a word to the servers."""
        sessions = [state.session for state in self._reconnects if state.session is not None]
        for sock in [node.sock for node in self.nodes] + [session.sock for session in sessions]:
            if sock is not None:
                sock.close()

    def _collect(self, timeout: float) -> None:
        for fd, _ in self._poll.poll(max(0.0, timeout) * 1000):
            node = self._by_fd[fd]
            self._sort(node, node.read())
            if not node.connected:
                self._forget(node, fd)

    def _sort(self, node: Node, replies: list[tuple[int, Reply]]) -> None:
        current = self._round_id
        self._ready += [(node.index, reply) for round_id, reply in replies if round_id == current]

    def _lost(self, node: Node, failed: list[tuple[int, Reply]]) -> None:
        for fd in [fd for fd, known in self._by_fd.items() if known is node]:
            self._forget(node, fd)
        self._sort(node, failed)

    def _forget(self, node: Node, fd: int) -> None:
        self._poll.unregister(fd)
        del self._by_fd[fd]
        logger.warning("lock node %s is gone: %s", node.name, node.down_reason)

    # -- connecting -----------------------------------------------------------

    def _enough(self) -> bool:
        now = self._clock.monotonic()
        usable = sum(node.connected and not node.stalled(now) for node in self.nodes)
        fresh = sum(state.session is not None for state in self._reconnects)
        running = any(state.running for state in self._reconnects)
        return not running or usable + fresh >= majority(len(self.nodes))

    def _ask_again(self, now: float) -> None:
        with self._changed:
            for node, state in zip(self.nodes, self._reconnects, strict=True):
                idle = not state.running and state.session is None
                if not node.connected and idle and now >= state.retry_at:
                    self._start_connecting(node, state)

    def _start_connecting(self, node: Node, state: _Reconnect) -> None:
        name = f"lock-connect-{node.name}"
        thread = threading.Thread(target=self._connect, args=(node, state), name=name, daemon=True)
        # An interpreter that is shutting down starts no threads; the node then stays away.
        with suppress(RuntimeError):
            thread.start()
            state.running = True

    def _connect(self, node: Node, state: _Reconnect) -> None:
        """Runs on its own thread; hands the connection over under the condition."""
        session = None
        try:
            session = open_session(node.url, self._timeout)
        except CONNECT_ERRORS as error:
            node.down_reason = str(error) or type(error).__name__
            if state.failures == 0:
                logger.warning("lock node %s cannot be used: %s", node.name, node.down_reason)
        finally:
            with self._changed:
                state.running = False
                if session is None:
                    state.failed(self._clock.monotonic())
                elif self._closed:
                    session.connection.disconnect()
                else:
                    state.session = session
                self._changed.notify_all()

    def _adopt(self) -> None:
        with self._changed:
            for node, state in zip(self.nodes, self._reconnects, strict=True):
                session, state.session = state.session, None
                if session is None:
                    continue
                twins = (n for n in self.nodes if n.connected and n.run_id == session.run_id)
                twin = next(twins, None)
                if twin is not None:
                    node.down_reason = f"it is the same server as {twin.name}: list each node once"
                    logger.error("lock node %s cannot be used: %s", node.name, node.down_reason)
                    session.connection.disconnect()
                    state.failed(self._clock.monotonic())
                    continue
                state.failures, state.retry_at = 0, 0.0
                node.adopt(session)
                self._poll.register(session.sock, select.POLLIN)
                self._by_fd[session.sock.fileno()] = node
