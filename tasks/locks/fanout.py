"""All lock nodes at once: write to all, read whoever answers first, wait for nobody in particular.

One connection per node and no thread per node.
"""

import logging
import select
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tasks.clock import Clock
from tasks.locks.behind import Behind, RoundsBehind
from tasks.locks.connecting import Connector
from tasks.locks.messages import Acquire, Call, Failed, Release, Reply, Request
from tasks.locks.node import Node
from tasks.locks.observer import LockObserver
from tasks.locks.rounds import Outgoing, Round, VoteRound
from tasks.locks.wire import Encoder, Terms, parse_call, subscribe

logger = logging.getLogger(__name__)

# A node silent for so long is gone without a goodbye (power, network): only a new connection helps.
_GIVE_UP_SECONDS = 10.0
# After so long without a round the connections are looked at before the next one.
_REST_SECONDS = 0.003
_LOOK_SECONDS = 1.0


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
        self.behind = RoundsBehind()
        for node in self.nodes:
            node.pushed, node.late = self.pushed, self.behind.late
        self._terms = terms
        self._greeting = subscribe(terms, bell)
        self._last_used = self._looked_at = float("-inf")
        self._encoder = Encoder(terms)
        loading = self._encoder.loading
        self._connector = Connector(self.nodes, timeout, clock, observer, loading)
        self._clock = clock
        self._round_id = 0
        self._poll = select.poll()
        self._by_fd: dict[int, Node] = {}
        self._ready: list[tuple[int, Reply]] = []

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
        self.behind.give_up(now)
        for node in self.nodes:
            if node.sock is None:
                self._connect(now)
                return

    def _look_around(self, now: float) -> None:
        self._looked_at = now
        self.read(self._poll.poll(0))
        for node in self.nodes:
            if node.overdue(now) > _GIVE_UP_SECONDS:
                self._lost(node, "no answer for a long time")

    def _connect(self, now: float) -> None:
        for node, session in self._connector.connect(now):
            node.adopt(session, self._greeting)
            self._poll.register(session.sock, select.POLLIN)
            self._by_fd[session.sock.fileno()] = node

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
        """Send a round and wait for nothing. Once it is over, or not after ``seconds``, it is
        among ``behind.ended``; somebody has to read meanwhile, if only by a round of its own."""
        deadline = self._clock.monotonic() + seconds
        self.send(*machine.opening())
        for node, reply in self._ready:  # from nodes that it could not be sent to
            machine.take(node, reply)
        self._ready.clear()
        self.behind.add(self._round_id, Behind(machine, deadline, told))

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
        self._connector.close()
        for node in self.nodes:
            node.drop("closed", self._round_id, [])

    def abandon(self) -> None:
        """In a forked child: let go of the parent's sockets without a word to the servers."""
        sessions = self._connector.sessions()
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
        if self.behind.late:
            self.behind.read_late()

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
