"""The rounds without sockets: what is sent when, and when a round is over."""

from tasks.locks.decision import Busy, NoQuorum, Won
from tasks.locks.messages import (
    Acquire,
    Confirm,
    Confirmed,
    Denied,
    Extend,
    Failed,
    Granted,
    Held,
    Lost,
    NotOurs,
    Release,
    Released,
    Replanted,
    Reply,
)
from tasks.locks.rounds import AcquireRound, VoteRound

ACQUIRE = Acquire("k", "nonce", 1000, 7)
EXTEND = Extend("k", "nonce", 1000, 7)
RELEASE = Release("k", "nonce")


def _acquire(size: int, *replies: tuple[int, Reply]) -> AcquireRound:
    attempt = AcquireRound(ACQUIRE, size)
    for node, reply in replies:
        attempt.take(node, reply)
    return attempt


def test_all_nodes_are_asked_at_once() -> None:
    assert AcquireRound(ACQUIRE, 3).opening() == (range(3), ACQUIRE)


def test_it_is_over_when_a_quorum_agrees() -> None:
    attempt = _acquire(3, (2, Granted(7)))
    over_before = attempt.over
    assert attempt.take(0, Granted(7)) is None
    assert (over_before, attempt.over) == (False, True)
    assert attempt.decision == Won(7)


def test_the_lower_nodes_are_confirmed_to_the_largest_number() -> None:
    attempt = _acquire(3, (0, Granted(7)))
    assert attempt.take(1, Granted(9)) == ((0,), Confirm("k", "nonce", 9))
    assert not attempt.over
    attempt.take(0, Confirmed())
    assert attempt.decision == Won(9)


def test_a_late_lower_grant_is_confirmed_too() -> None:
    attempt = _acquire(3, (0, Granted(7)), (1, Granted(9)))
    assert attempt.take(2, Granted(8)) == ((2,), Confirm("k", "nonce", 9))
    attempt.take(2, Confirmed())
    assert attempt.decision == Won(9)


def test_giving_up_counts_the_silent_as_down() -> None:
    attempt = _acquire(5, (0, Granted(7)), (1, Granted(7)))
    attempt.give_up()
    assert attempt.over
    assert attempt.decision == NoQuorum()


def test_giving_up_on_a_confirmation_is_no_success() -> None:
    attempt = _acquire(3, (0, Granted(7)), (1, Granted(9)), (2, Denied(1.0, "a")))
    attempt.give_up()
    assert attempt.over
    assert attempt.decision in (NoQuorum(), Busy(1.0))


def _vote(request: Extend | Release, size: int, *replies: Reply) -> VoteRound:
    vote = VoteRound(request, size, range(size))
    for node, reply in enumerate(replies):
        vote.take(node, reply)
    return vote


def test_a_held_majority_extends() -> None:
    vote = _vote(EXTEND, 3, Held(), Held())
    assert vote.over
    assert vote.passed


def test_a_replanted_slot_does_not_count_as_held() -> None:
    vote = _vote(EXTEND, 3, Held(), Replanted(), Replanted())
    assert vote.over
    assert not vote.passed


def test_a_lost_minority_does_not_end_the_lease() -> None:
    vote = _vote(EXTEND, 5, Lost(), Failed("gone"), Held(), Held())
    assert not vote.over
    vote.take(4, Held())
    assert vote.passed


def test_it_ends_as_soon_as_a_majority_is_out_of_reach() -> None:
    vote = _vote(EXTEND, 5, Lost(), Lost(), Failed("gone"))
    assert vote.over
    assert not vote.passed


def test_silence_is_no_vote() -> None:
    vote = _vote(RELEASE, 3, Released())
    vote.give_up()
    assert vote.over
    assert not vote.passed


def test_a_release_goes_only_where_the_lease_may_be() -> None:
    vote = VoteRound(RELEASE, 3, (0, 2))
    assert vote.opening() == ((0, 2), RELEASE)
    vote.take(0, Released())
    vote.take(2, NotOurs())
    assert vote.over
    assert not vote.passed
