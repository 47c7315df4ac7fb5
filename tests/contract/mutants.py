"""Broken protocols, each put into place of the right one: the schedules must notice every one."""

import secrets
from collections.abc import Callable
from dataclasses import replace

import pytest

from tasks.locks import redlock, standing, voting
from tasks.locks.lease import Lease
from tasks.locks.messages import (
    Acquire,
    Confirm,
    Confirmed,
    Held,
    Refused,
    Replanted,
    Reply,
)
from tasks.locks.rounds import Outgoing, VoteRound
from tasks.locks.standing import Standing
from tests.contract.client import TTL, SimulatedClient
from tests.contract.simulated_node import SimulatedNode
from tests.contract.transport import CrossedTransport

Inject = Callable[[pytest.MonkeyPatch], None]


def no_write_back(patch: pytest.MonkeyPatch) -> None:
    """CONFIRM says yes and leaves the counter as it was."""

    def confirm(node: SimulatedNode, request: Confirm) -> Reply:
        ours = node.owner(request.key) == request.nonce
        fits = node.counter(request.key) <= request.token
        return Confirmed() if ours and fits else Refused()

    patch.setattr(SimulatedNode, "_confirm", confirm)


def unconditional_write_back(patch: pytest.MonkeyPatch) -> None:
    """CONFIRM writes whatever the slot and the counter say."""

    def confirm(node: SimulatedNode, request: Confirm) -> Reply:
        node.set_counter(request.key, request.token)
        return Confirmed()

    patch.setattr(SimulatedNode, "_confirm", confirm)


def owner_only_check(patch: pytest.MonkeyPatch) -> None:
    """CONFIRM looks at the slot, but not whether the counter is past the token."""

    def confirm(node: SimulatedNode, request: Confirm) -> Reply:
        if node.owner(request.key) != request.nonce:
            return Refused()
        node.set_counter(request.key, request.token)
        return Confirmed()

    patch.setattr(SimulatedNode, "_confirm", confirm)


def shared_nonce(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(secrets, "token_hex", lambda _size: "the same")


def replant_counted(patch: pytest.MonkeyPatch) -> None:
    """An empty slot that EXTEND has set again counts as held."""
    take = VoteRound.take

    def generous(self: VoteRound, node: int, reply: Reply) -> Outgoing | None:
        return take(self, node, Held() if isinstance(reply, Replanted) else reply)

    patch.setattr(VoteRound, "take", generous)


def no_quarantine(patch: pytest.MonkeyPatch) -> None:
    """A node votes at once after it has lost its memory."""
    acquire = SimulatedNode._acquire

    def vote(node: SimulatedNode, request: Acquire, run_id: str) -> Reply:
        node.memory.marker = (run_id, 0.0)
        return acquire(node, request, run_id)

    patch.setattr(SimulatedNode, "_acquire", vote)


def release_on_another_connection(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SimulatedClient, "transport_class", CrossedTransport)


def validity_by_wall_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SimulatedClient, "read_monotonic", SimulatedClient.wall)


def lease_that_never_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(voting, "drift", lambda ttl: -5 * ttl)


def nothing_taken_back(patch: pytest.MonkeyPatch) -> None:
    """A failed attempt leaves behind what it got from a minority."""
    patch.setattr(redlock, "nodes_in", lambda _mask: ())
    patch.setattr(standing, "nodes_in", lambda _mask: ())


def heir_without_a_number(patch: pytest.MonkeyPatch) -> None:
    """A hand-over changes the owner and leaves the counter as it was."""
    hand_over = SimulatedNode._hand_over

    def keep_the_number(node: SimulatedNode, key: str, proposal: int) -> None:
        counter, call = node.counter(key), node.call
        node.call = lambda bell, said: call(bell, replace(said, counter=counter))
        hand_over(node, key, proposal)
        node.call = call
        node.set_counter(key, counter)

    patch.setattr(SimulatedNode, "_hand_over", keep_the_number)


def heir_with_an_old_number(patch: pytest.MonkeyPatch) -> None:
    """A hand-over counts with the proposal of the RELEASE alone."""
    patch.setattr(SimulatedNode, "_own", lambda _node, _proposal: 0)


def heir_from_now_on(patch: pytest.MonkeyPatch) -> None:
    """A lease that was waited for counts from the moment at which the call is heard."""

    def lease(standing: Standing) -> Lease | None:
        return standing._voting.lease(
            standing._attempt, standing._request, TTL, standing._now(), standing._sent
        )

    patch.setattr(Standing, "_lease", lease)


MUTANTS: dict[Inject, tuple[str, str]] = {
    no_write_back: ("token", "twice, and slots that end early"),
    unconditional_write_back: ("token", "slots that end early"),
    owner_only_check: ("token", "twice in the middle of a confirmation"),
    shared_nonce: ("token|holders", "order and delay"),
    replant_counted: ("extension", "all slots end early"),
    no_quarantine: ("token|holders", "lost memory and broken connections"),
    release_on_another_connection: ("left behind", "long pauses"),
    validity_by_wall_clock: ("holders", "clients' clocks jump"),
    lease_that_never_ends: ("holders", "clients' clocks jump"),
    nothing_taken_back: ("left behind", "order and delay"),
    heir_without_a_number: ("token", "order and delay"),
    heir_from_now_on: ("holders", "stragglers in line"),
}
"""Each with a word of the promise that it breaks, and the faults that show it soonest."""
