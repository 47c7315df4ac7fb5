"""The scripts on a real server, and the simulated node, give the same answers."""

import random
from collections import Counter
from typing import Any

import hiredis
import redis

from tasks.locks.messages import (
    Acquire,
    Call,
    Confirm,
    Confirmed,
    Denied,
    Extend,
    Granted,
    Held,
    Lost,
    NotOurs,
    NotReady,
    Place,
    Refused,
    Release,
    Released,
    Replanted,
    Reply,
    Request,
)
from tasks.locks.node import Session, open_session
from tasks.locks.wire import Encoder, Terms, entry_of, parse, parse_call, signature, subscribe
from tests.contract.redis_nodes import PREFIX, Nodes
from tests.contract.simulated_node import SimulatedNode

HEARD, UNHEARD = "bell-1", "bell-2"
LONG_AGO_MS, FAR_OFF_MS = 1_000, 9_000_000_000_000


class Listener:
    """A connection that hears what the server says by itself."""

    def __init__(self, session: Session, terms: Terms) -> None:
        self.session, self._terms, self._reader = session, terms, hiredis.Reader()
        session.sock.sendall(subscribe(terms, HEARD))
        assert self.hear() is None

    def hear(self) -> Call | None:
        while (said := self._reader.gets()) is False:
            self._reader.feed(self.session.sock.recv(4096))
        assert isinstance(said, hiredis.PushNotification)
        return parse_call(0, self._terms, said)


def _random_request(dice: random.Random, node: SimulatedNode) -> Request:
    key, nonce = dice.choice(["a", "b"]), dice.choice(["x" * 8, "y" * 8, "z" * 8, "w" * 8])
    number = max(node.counter(key), 1_700_000_000_000_000) + dice.randint(-2, 2)
    match dice.randint(0, 5):
        case 0 | 1 | 2:
            request = Acquire(key, nonce, 60_000, number, dice.choice(["", "worker 7"]))
            if dice.random() < 0.6:
                # Each nonce waits in one way, so that its entry can be found again.
                bell = HEARD if nonce < "y" else UNHEARD
                last_ms = LONG_AGO_MS if nonce < "x" else FAR_OFF_MS
                since_us = dice.randint(1, 3)
                request.place = Place(since_us, entry_of(request, bell, last_ms))
            return request
        case 3:
            return Confirm(key, nonce, number)
        case 4:
            return Extend(key, nonce, 60_000, number)
    entries = [*node.memory.waiting.get(key, {}), ""]
    return Release(key, nonce, dice.choice([0, number]), dice.choice(entries))


def _facts(reply: Reply) -> object:
    """A reply without its durations."""
    if isinstance(reply, Denied):
        return reply.owner
    return NotReady if isinstance(reply, NotReady) else reply


def _lists(plain: "redis.Redis", terms: Terms) -> dict[str, dict[str, int]]:
    found = {}
    for key in "ab":
        entries: Any = plain.zrange(terms.waiting(key), 0, -1, withscores=True)
        found[key] = {entry.decode(): int(since) for entry, since in entries}
    return found


def test_simulated_nodes_answer_as_the_scripts_do(nodes: Nodes) -> None:
    terms = Terms(prefix=PREFIX, quarantine_ms=60_000, retention_ms=120_000, lead_ms=60_000)
    encoder = Encoder(terms)
    session = open_session(nodes[0].url, 1.0, encoder.loading)
    listener = Listener(open_session(nodes[0].url, 1.0), terms)
    simulated = SimulatedNode(terms)
    simulated.mark_new()
    called: list[Call] = []

    def call(bell: str, said: Call) -> bool:
        if bell == HEARD:
            called.append(said)
        return bell == HEARD

    simulated.call = call
    dice = random.Random(7)
    seen = Counter[object]()
    with nodes[0].client() as plain:
        for step in range(6000):
            if dice.random() < 0.02:
                plain.delete(*[terms.slot(key) for key in "ab"])
                simulated.memory.slots.clear()
            if step == 5900:
                plain.flushall()
                simulated.flush()
            request = _random_request(dice, simulated)
            payload = encoder.encode(request)
            if isinstance(request, Acquire | Release):
                payload += signature(session.run_id)
            session.connection.send_packed_command([payload])
            real = parse(session.connection.read_response())
            expected = simulated.apply(request, simulated.run_id)
            assert _facts(real) == _facts(expected), request
            for said in called:
                assert listener.hear() == said
                seen[Call] += 1
            called.clear()
            seen[type(real)] += 1
            if step % 20 == 0:
                waiting = {key: simulated.memory.waiting.get(key, {}) for key in "ab"}
                assert _lists(plain, terms) == waiting
                for key in "ab":
                    assert int(plain.get(terms.counter(key)) or 0) == simulated.counter(key)
    session.connection.disconnect()
    listener.session.connection.disconnect()
    answers = {Granted, Denied, NotReady, Confirmed, Refused, Held, Replanted, Lost, Released}
    assert all(seen[kind] > 20 for kind in answers | {NotOurs, Call}), seen
