"""The promises under random schedules, and proof that the check would notice a broken protocol."""

import random
import re
import secrets
from collections.abc import Callable

import pytest

from tasks.locks.messages import (
    Acquire,
    Confirm,
    Denied,
    Extend,
    NotReady,
    Release,
    Reply,
    Request,
)
from tasks.locks.node import open_session
from tasks.locks.wire import Terms, encode, parse
from tests.contract.redis_nodes import PREFIX, Nodes
from tests.contract.simulated_node import SimulatedNode
from tests.contract.world import World

_SCHEDULES = 500
_MUTANT_SCHEDULES = 1000


def test_no_schedule_breaks_a_promise() -> None:
    leases = 0
    for seed in range(_SCHEDULES):
        world = World(seed)
        try:
            world.run()
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}: {broken}") from broken
        leases += len(world.tenures)
    assert leases > _SCHEDULES, "the schedules hardly ever let anybody in"


def _first_violation() -> str:
    for seed in range(_MUTANT_SCHEDULES):
        try:
            World(seed).run()
        except AssertionError as broken:
            return str(broken)
    return "nothing"


def _confirm_without_writing(node: SimulatedNode, request: Confirm) -> Reply:
    counters = dict(node.counters)
    reply = _CONFIRM(node, request)
    node.counters = counters
    return reply


def _vote_without_quarantine(node: SimulatedNode, request: Acquire, run_id: str) -> Reply:
    node.marker = (run_id, 0.0)
    return _ACQUIRE(node, request, run_id)


_CONFIRM = SimulatedNode._confirm
_ACQUIRE = SimulatedNode._acquire


@pytest.mark.parametrize(
    ("method", "mutant"),
    [
        ("_confirm", _confirm_without_writing),
        ("_acquire", _vote_without_quarantine),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_node_is_noticed(
    monkeypatch: pytest.MonkeyPatch, method: str, mutant: Callable[..., Reply]
) -> None:
    monkeypatch.setattr(SimulatedNode, method, mutant)
    assert re.search("token|holders", _first_violation())


def test_one_nonce_for_all_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _size: "the same")
    assert re.search("token|holders", _first_violation())


def test_a_lease_that_never_ends_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.locks.redlock.drift", lambda ttl: -5 * ttl)
    assert _first_violation() == "two holders at once"


def test_a_failed_attempt_that_cleans_nothing_up_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.locks.redlock.Redlock._send_all", lambda *_: None)
    assert _first_violation() == "a slot was left behind"


def _random_request(dice: random.Random) -> Request:
    key, nonce = dice.choice(["a", "b"]), dice.choice(["x" * 8, "y" * 8, "z" * 8])
    number = 1_700_000_000_000_000 + dice.randint(0, 6)
    match dice.randint(0, 3):
        case 0:
            return Acquire(key, nonce, 60_000, number)
        case 1:
            return Confirm(key, nonce, number)
        case 2:
            return Extend(key, nonce, 60_000, number)
    return Release(key, nonce)


def _facts(reply: Reply) -> object:
    """A reply without its durations."""
    if isinstance(reply, Denied):
        return reply.owner
    return NotReady if isinstance(reply, NotReady) else reply


def test_simulated_nodes_answer_as_the_scripts_do(nodes: Nodes) -> None:
    terms = Terms(prefix=PREFIX, quarantine_ms=60_000, retention_ms=120_000, lead_ms=60_000)
    session = open_session(nodes[0].url, timeout=1.0)
    simulated = SimulatedNode(terms, run_id="run-0")
    simulated.mark_new()
    dice = random.Random(7)
    with nodes[0].client() as plain:
        for step in range(3000):
            if dice.random() < 0.02:
                plain.delete(*[terms.slot(key) for key in "ab"])
                simulated.slots.clear()
            if step == 2900:
                plain.flushall()
                simulated.restart_empty()
            request = _random_request(dice)
            session.connection.send_packed_command([encode(request, terms, session.run_id)])
            real = parse(session.connection.read_response())
            assert _facts(real) == _facts(simulated.apply(request, simulated.run_id)), request
    session.connection.disconnect()
