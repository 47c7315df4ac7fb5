"""All lock nodes at once: write to all, read whoever answers first, wait for nobody in particular.

One connection per node and no thread per node. Only (re)connecting happens on short-lived threads,
because a server that accepts and says nothing must not hold up those that work.
"""

import logging
import random
import select
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tasks.clock import Clock
from tasks.locks.decision import majority
from tasks.locks.messages import Acquire, Call, Failed, Release, Reply, Request
from tasks.locks.node import CONNECT_ERRORS, Node, Session, open_session
from tasks.locks.observer import LockObserver
from tasks.locks.rounds import Outgoing, Round, VoteRound
from tasks.locks.wire import Encoder, Terms, parse_call, subscribe

logger = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS = 0.05
_LAST_BACKOFF_SECONDS = 2.0
# A node silent for so long is gone without a goodbye (power, network): only a new connection helps.
_GIVE_UP_SECONDS = 10.0
# After so long without a round the connections are looked at before the next one.
_REST_SECONDS = 0.003
_LOOK_SECONDS = 1.0


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


@dataclass(slots=True)
class Behind:
    """A round whose answers are read by those that follow. Monotonic seconds."""

    machine: VoteRound
    deadline: float
    told: Callable[[bool], None]


class Fanout:
    """The connections of one process. Used by one thread at a time (the caller's lock)."""

    def __init__(
        self,
        urls: Sequence[str],
        terms: Terms,
        timeout: float,
        clock: Clock,
        observer: LockObserver,
        bell: str,
    ) -> None:
        """``bell``: the name on which nodes call those who wait in this process."""
        self.nodes = [Node(n, url, timeout, clock, observer) for n, url in enumerate(urls)]
        self.pushed: list[tuple[int, Any]] = []
        self._late: list[tuple[int, int, Reply]] = []
        for node in self.nodes:
            node.pushed, node.late = self.pushed, self._late
        self._behind: dict[int, Behind] = {}
        self.ended: list[Behind] = []
        """Rounds that nobody waited for and that are over; whoever tells of them takes them."""
        self._terms = terms
        self._greeting = subscribe(terms, bell)
        self._observer = observer
        self._last_used = self._looked_at = float("-inf")
        self._encoder = Encoder(terms)
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
        now = self._clock.monotonic()
        # In a row of rounds the late replies come in with the next ones; after a rest they must
        # be read first, or a node that answered long ago would look as if it had not.
        if now - self._last_used > _REST_SECONDS or now - self._looked_at > _LOOK_SECONDS:
            self._look_around(now)
        self._last_used = now
        if self._behind:
            self._give_up_behind(now)
        for node in self.nodes:
            if node.sock is None:
                self._reconnect(now)
                return

    def _look_around(self, now: float) -> None:
        self._looked_at = now
        self.read(self._poll.poll(0))
        for node in self.nodes:
            if node.overdue(now) > _GIVE_UP_SECONDS:
                self._lost(node, "no answer for a long time")

    def _reconnect(self, now: float) -> None:
        self._ask_again(now)
        with self._changed:
            self._changed.wait_for(self._enough, timeout=2 * self._timeout)
        self._adopt()

    def send(self, node_indices: Iterable[int], request: Request) -> int:
        """Write a request of the current round. Returns a mask of the nodes that may have got it;
        for the others ``receive`` gives the reason as the node's reply."""
        now, sent = self._clock.monotonic(), 0
        payload = self._encoder.encode(request)
        # A stalled node gets nothing new, but what it may have granted must be taken back.
        taking_back = type(request) is Release
        signed = taking_back or type(request) is Acquire
        nodes, mark = self.nodes, (self._round_id, now)
        for index in node_indices:
            node = nodes[index]
            sock, pending = node.sock, node.pending
            if pending and not taking_back and node.stalled(now):
                self._ready.append((index, Failed("still busy with earlier requests")))
            elif sock is None:
                self._ready.append((index, Failed(node.down_reason)))
            else:
                pending.append(mark)
                sent |= 1 << index
                whole = payload + node.signature if signed else payload
                try:
                    if sock.send(whole) != len(whole):
                        # With so few requests pending: a peer that is gone.
                        self._lost(node, "the socket buffer is full")
                except OSError as error:
                    self._lost(node, str(error))
        return sent

    def run(self, machine: Round, deadline: float, further: Outgoing | None = None) -> int:
        """A round until it is over, at monotonic ``deadline`` at the latest. ``further``: it goes
        on with this. The nodes to which its first request was sent, as a mask."""
        monotonic, take = self._clock.monotonic, machine.take
        sent = self.send(*(further or machine.opening()))
        while not machine.over:
            for node, reply in self.receive(deadline - monotonic()):
                if next_ := take(node, reply):
                    self.send(*next_)
            if not machine.over and monotonic() >= deadline:
                machine.give_up()
        return sent

    def run_behind(self, machine: VoteRound, seconds: float, told: Callable[[bool], None]) -> None:
        """Send a round and wait for nothing. Once it is over, or not after ``seconds``, it stands
        in ``ended``; somebody has to read meanwhile, if only by a round of its own."""
        behind = Behind(machine, self._clock.monotonic() + seconds, told)
        self._behind[self._round_id] = behind
        self.send(*machine.opening())
        for node, reply in self._ready:  # from nodes that it could not be sent to
            machine.take(node, reply)
        self._ready.clear()
        if machine.over:
            self._end(self._round_id)

    def _end(self, round_id: int) -> None:
        self.ended.append(self._behind.pop(round_id))

    def _read_late(self) -> None:
        for round_id, node, reply in self._late:
            behind = self._behind.get(round_id)
            if behind is not None:
                behind.machine.take(node, reply)
                if behind.machine.over:
                    self._end(round_id)
        self._late.clear()

    def _give_up_behind(self, now: float) -> None:
        # In the order in which they began, all with the same patience.
        while self._behind:
            round_id, behind = next(iter(self._behind.items()))
            if now < behind.deadline:
                return
            behind.machine.give_up()
            self._end(round_id)

    def receive(self, timeout: float) -> list[tuple[int, Reply]]:
        """Replies of the current round as (node, reply); at most ``timeout`` seconds of waiting."""
        if not self._ready:
            self.read(self._poll.poll(timeout * 1000 if timeout > 0 else 0))
        replies, self._ready = self._ready, []
        return replies

    def calls(self) -> list[Call]:
        """Whom the nodes have called since the last time."""
        pushed = [parse_call(node, self._terms, said) for node, said in self.pushed]
        self.pushed.clear()
        return [call for call in pushed if call is not None]

    def sockets(self) -> list[int]:
        """File descriptors on which something may be said, in the order of the nodes."""
        return [node.sock.fileno() for node in self.nodes if node.sock is not None]

    def close(self) -> None:
        """Drop all connections, also those that are still being made."""
        with self._changed:
            self._closed = True
            for state in self._reconnects:
                if state.session is not None:
                    state.session.connection.disconnect()
        for node in self.nodes:
            node.drop("closed", self._round_id, [])

    def abandon(self) -> None:
        """In a forked child: let go of the parent's sockets without a word to the servers."""
        sessions = [state.session for state in self._reconnects if state.session is not None]
        for sock in [node.sock for node in self.nodes] + [session.sock for session in sessions]:
            if sock is not None:
                sock.close()

    def read(self, said: Iterable[tuple[int, int]]) -> None:
        """Read these sockets, as poll() has named them. Never blocks."""
        ready, round_id, by_fd = self._ready, self._round_id, self._by_fd
        now = self._clock.monotonic()
        for fd, _ in said:
            node = by_fd.get(fd)
            if node is None:
                continue  # given up in the meantime
            node.read(round_id, now, ready)
            if node.sock is None:
                self._forget(node, fd)
        if self._late:
            self._read_late()

    def _lost(self, node: Node, reason: str) -> None:
        for fd in [fd for fd, known in self._by_fd.items() if known is node]:
            self._poll.unregister(fd)
            del self._by_fd[fd]
        node.drop(reason, self._round_id, self._ready)
        logger.warning("lock node %s is gone: %s", node.name, reason)

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
            session = open_session(node.url, self._timeout, self._encoder.loading)
        except CONNECT_ERRORS as error:
            node.down_reason = str(error) or type(error).__name__
            self._observer.node_failed(node.name, node.down_reason)
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
                node.adopt(session, self._greeting)
                self._poll.register(session.sock, select.POLLIN)
                self._by_fd[session.sock.fileno()] = node
