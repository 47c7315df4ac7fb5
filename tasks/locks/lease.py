"""A grant with an end."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """What one holder got for one key. Extending gives a new one with the same nonce and token."""

    key: str
    nonce: str
    """Random proof of who holds it; new for every attempt."""
    token: int
    """Fencing token: larger than that of every earlier holder of this key."""
    ttl: float
    """Seconds that the nodes keep it without an extension."""
    valid_until: float
    """Monotonic seconds of this process, drift allowance already taken off."""
    acquired_at: float
    """Monotonic seconds of this process."""
    nodes: int = 0
    """Bit mask of the nodes that may know this lease. For the backend's own use."""
    entry: str = ""
    """What the backend says of it again: what may stand in the lock nodes' waiting lists, or its
    holder in ZooKeeper. For the backend's own use."""
    backend: str = "redlock"
    """Who granted it: redlock, postgres or zookeeper."""

    def remaining(self, now: float) -> float:
        """Seconds of validity left at monotonic time ``now``; never below 0."""
        return max(0.0, self.valid_until - now)
