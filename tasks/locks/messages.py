"""What a client says to a lock node, and what a node may answer."""

from dataclasses import dataclass


# Not frozen, like GRANTED: made for every round, and frozen ones take three times as long to make.
@dataclass(slots=True)
class Acquire:
    key: str
    nonce: str
    ttl_ms: int
    proposal: int
    holder: str = ""
    """Who asks, for people to read."""
    waiter: str = ""
    """Who is waiting: noted in the node's waiting list when denied. Empty: nobody waits."""
    waited_ms: int = 0


@dataclass(frozen=True, slots=True)
class Confirm:
    key: str
    nonce: str
    token: int


@dataclass(frozen=True, slots=True)
class Extend:
    key: str
    nonce: str
    ttl_ms: int
    token: int


@dataclass(frozen=True, slots=True)
class Release:
    key: str
    nonce: str
    waiter: str = ""
    """Our own name as a waiter, to be taken off the list."""
    next: str = ""
    """The waiter for whom the key is to be kept free for a moment."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The waiter has stopped waiting."""

    key: str
    waiter: str


Request = Acquire | Confirm | Extend | Release | Withdraw


@dataclass(slots=True)
class Granted:
    """The slot is ours; ``counter`` is this node's word for the token."""

    counter: int
    next: str = ""
    """Who has waited so long that the key should be handed over."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Somebody else has the slot for ``remaining`` seconds; ``owner`` tells holders apart."""

    remaining: float
    owner: str = ""


@dataclass(frozen=True, slots=True)
class NotReady:
    """The node lost its memory and sits out ``remaining`` seconds of quarantine."""

    remaining: float


@dataclass(frozen=True, slots=True)
class Ahead:
    """The proposal lies ``seconds`` ahead of the node's clock: one of the two clocks is wrong."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer of the protocol: not connected, too late, or an error of the server."""

    reason: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The slot is ours and the counter is now exactly the token."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Not confirmed: the slot went, or the counter is past the token."""


@dataclass(frozen=True, slots=True)
class Held:
    """The slot was ours and is ours for a new TTL."""


@dataclass(frozen=True, slots=True)
class Replanted:
    """The slot was empty and is ours now. Proves nothing about the time in between."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Another owner has the slot."""


@dataclass(frozen=True, slots=True)
class Released:
    """The slot was ours and is free now."""


@dataclass(frozen=True, slots=True)
class NotOurs:
    """There was nothing of ours to release."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The waiter is not in the waiting list (any more)."""


Reply = (
    Granted
    | Denied
    | NotReady
    | Ahead
    | Failed
    | Confirmed
    | Refused
    | Held
    | Replanted
    | Lost
    | Released
    | NotOurs
    | Withdrawn
)
