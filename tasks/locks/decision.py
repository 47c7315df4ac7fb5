"""What an attempt to acquire may conclude from the answers so far: pure, tested as a table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.locks.messages import Ahead, Confirmed, Denied, Failed, Granted, NotReady, Reply


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing can be said yet."""


WAITING = Waiting()


@dataclass(frozen=True, slots=True)
class Won:
    """A quorum stands at exactly this token."""

    token: int


@dataclass(frozen=True, slots=True)
class NeedConfirm:
    """A quorum granted, but not the same number: these nodes must be raised to ``token``."""

    token: int
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Busy:
    """A majority answered, and too many of them are taken. Seconds until that can change."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class NoQuorum:
    """Too few nodes can vote: nobody can get a lease now."""


Decision = Waiting | Won | NeedConfirm | Busy | NoQuorum

_DOWN = (Failed, NotReady, Ahead)


def majority(size: int) -> int:
    return size // 2 + 1


def decide(
    answers: Sequence[Reply | None],
    confirms: Mapping[int, Reply | None],
    token: int | None,
) -> Decision:
    """Judge one attempt.

    ``answers`` holds each node's answer to ACQUIRE (None: not in yet), ``confirms`` those to
    CONFIRM, ``token`` the number being confirmed (None: no confirmation has begun; once begun it
    never changes, since nodes may already have been raised to it).
    """
    quorum = majority(len(answers))
    if token is None and (value := _same(answers, quorum)) is not None:
        return Won(value)
    grants = {node: a.counter for node, a in enumerate(answers) if isinstance(a, Granted)}
    if token is None:
        if len(grants) >= quorum:
            return _agreement(grants, quorum)
        possible = len(grants) + _missing(answers)
        return WAITING if possible >= quorum else _failure(answers, confirms)
    exact = [n for n, c in grants.items() if c == token or isinstance(confirms.get(n), Confirmed)]
    if len(exact) >= quorum:
        return Won(token)
    below = tuple(n for n, c in grants.items() if c < token and n not in confirms)
    if below:
        return NeedConfirm(token, below)
    open_ends = _missing(answers) + _missing(list(confirms.values()))
    return WAITING if len(exact) + open_ends >= quorum else _failure(answers, confirms)


def _same(answers: Sequence[Reply | None], quorum: int) -> int | None:
    """The number that the first ``quorum`` grants agree on: nearly always, so it is asked first."""
    value, votes = None, 0
    for answer in answers:
        if type(answer) is Granted:
            if value is None:
                value = answer.counter
            elif answer.counter != value:
                return None
            votes += 1
    return value if votes >= quorum else None


def _agreement(grants: Mapping[int, int], quorum: int) -> Decision:
    value, votes = Counter(grants.values()).most_common(1)[0]
    if votes >= quorum:
        return Won(value)
    token = max(grants.values())
    return NeedConfirm(token, tuple(node for node, c in grants.items() if c < token))


def _failure(answers: Sequence[Reply | None], confirms: Mapping[int, Reply | None]) -> Decision:
    """It cannot be won any more. Busy and no quorum need different answers from the caller, so a
    verdict waits until a majority has answered or too many have failed."""
    quorum = majority(len(answers))
    last = [confirms.get(node, answer) for node, answer in enumerate(answers)]
    down = sum(isinstance(reply, _DOWN) for reply in last)
    if down > len(answers) - quorum:
        return NoQuorum()
    if len(last) - down - _missing(last) < quorum:
        return WAITING
    denials = [reply for reply in last if isinstance(reply, Denied)]
    if len({denial.owner for denial in denials}) != 1:
        return Busy(0.0)  # A split vote: everybody gives up and nobody has to be waited for.
    return Busy(min(denial.remaining for denial in denials))


def _missing(replies: Sequence[Reply | None]) -> int:
    return sum(reply is None for reply in replies)
