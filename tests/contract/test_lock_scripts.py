"""The scripts on a real server, and the simulated node, give the same answers."""

import random
from collections import Counter

import redis

from tasks.locks.messages import (
    Acquire,
    Confirm,
    Confirmed,
    Denied,
    Extend,
    Granted,
    Held,
    Lost,
    NotOurs,
    NotReady,
    Refused,
    Release,
    Released,
    Replanted,
    Reply,
    Request,
    Withdraw,
    Withdrawn,
)
from tasks.locks.node import open_session
from tasks.locks.wire import Encoder, Terms, parse, signature
from tests.contract.redis_nodes import PREFIX, Nodes
from tests.contract.simulated_node import SimulatedNode, Slot


def _random_request(dice: random.Random, node: SimulatedNode) -> Request:
    key, nonce = dice.choice(["a", "b"]), dice.choice(["x" * 8, "y" * 8, "z" * 8])
    number = max(node.counter(key), 1_700_000_000_000_000) + dice.randint(-2, 2)
    waiter = dice.choice(["", "", "bell.1", "bell.2"])
    match dice.randint(0, 5):
        case 0 | 1:
            # Due at every release, and one before the other whatever time passes in between.
            waited_ms = {"bell.1": 172_800_000, "bell.2": 86_400_000}.get(waiter, 0)
            return Acquire(key, nonce, 60_000, number, "", waiter, waited_ms)
        case 2:
            return Confirm(key, nonce, number)
        case 3:
            return Extend(key, nonce, 60_000, number)
        case 4:
            return Withdraw(key, waiter or "bell.1")
    return Release(key, nonce, waiter, dice.choice(["", "bell.1", "bell.2"]) if waiter else "")


def _facts(reply: Reply) -> object:
    """A reply without its durations."""
    if isinstance(reply, Denied):
        return reply.owner
    return NotReady if isinstance(reply, NotReady) else reply


def _hold_reservations(simulated: SimulatedNode, plain: "redis.Redis", terms: Terms) -> None:
    """A key kept free for a waiter would be so for 20 ms: too short to compare."""
    for key, slot in list(simulated.memory.slots.items()):
        if slot.owner.startswith("~") and slot.until < simulated.now + 1:
            if plain.pexpire(terms.slot(key), 60_000):
                simulated.memory.slots[key] = Slot(slot.owner, simulated.now + 60)
            else:
                del simulated.memory.slots[key]


def test_simulated_nodes_answer_as_the_scripts_do(nodes: Nodes) -> None:
    terms = Terms(prefix=PREFIX, quarantine_ms=60_000, retention_ms=120_000, lead_ms=60_000)
    encoder = Encoder(terms)
    session = open_session(nodes[0].url, 1.0, encoder.loading)
    simulated = SimulatedNode(terms)
    simulated.mark_new()
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
            if isinstance(request, Acquire):
                payload += signature(session.run_id)
            session.connection.send_packed_command([payload])
            real = parse(session.connection.read_response())
            expected = simulated.apply(request, simulated.run_id)
            assert _facts(real) == _facts(expected), request
            seen[type(real)] += 1
            _hold_reservations(simulated, plain, terms)
    session.connection.disconnect()
    answers = {Granted, Denied, NotReady, Confirmed, Refused, Held, Replanted, Lost, Released}
    assert all(seen[kind] > 20 for kind in answers | {NotOurs, Withdrawn}), seen
