"""What a client says to a lock node, and what a node may answer."""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody stands in the nodes' waiting lists."""

    since_us: int
    """Wall clock when the waiting began: the order, and the same on all nodes."""
    entry: str
    """All that a node needs for the hand-over: see ``entry_of``."""


# Not frozen, like GRANTED: made for every round, and frozen ones take three times as long to make.
@dataclass(slots=True)
class Acquire:
    key: str
    nonce: str
    ttl_ms: int
    proposal: int
    holder: str = ""
    """Who asks, for people to read."""
    place: Place | None = None
    """Where to stand when denied: whoever releases hands over to the first. None: nowhere."""


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


@dataclass(slots=True)
class Release:
    key: str
    nonce: str
    proposal: int = 0
    """A token for whoever is next in line; 0: the nodes count for themselves."""
    entry: str = ""
    """Our own place in the waiting lists, to be taken off."""


Request = Acquire | Confirm | Extend | Release


@dataclass(slots=True)
class Granted:
    """The slot is ours; ``counter`` is this node's word for the token."""

    counter: int


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
)


@dataclass(frozen=True, slots=True)
class Call:
    """A node has handed ``key`` to ``nonce``, who waited there: as GRANTED, but later."""

    node: int
    key: str
    nonce: str
    counter: int


@lru_cache
def nodes_in(mask: int) -> tuple[int, ...]:
    """The indices of the nodes in a bit mask."""
    return tuple(index for index in range(mask.bit_length()) if mask >> index & 1)
