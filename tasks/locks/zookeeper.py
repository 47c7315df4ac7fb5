"""Leases in ZooKeeper: kazoo's lock recipe with an end and a token.

Each attempt creates an ephemeral sequential node; whoever finds none before its own has the lease.
kazoo's own ``Lock`` cannot say its node's transaction id, cannot let a lease end before its session
does, and waits without a limit, so the recipe is written here on kazoo's client.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any

from kazoo.exceptions import BadVersionError, KazooException, NoNodeError

from tasks.clock import SYSTEM_CLOCK
from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.locks.inspection import LeaseSeen
from tasks.locks.lease import Lease
from tasks.locks.limits import check_key, check_ttl, drift
from tasks.locks.observer import LockObserver, SilentObserver
from tasks.locks.zookeeper_connection import EnsembleAway
from tasks.locks.zookeeper_session import ZooKeeperSession

# Nodes stand in so many folders by the hash of their key: a look at the others of one key reads a
# short list, and no folder has to be made or removed with a key.
_FOLDERS = 256


class ZooKeeperLocks:
    """A ``LockBackend`` on one session per process. Safe for threads and across a fork."""

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        prefix: str,
        max_ttl: float,
        timeout: float,
        observer: LockObserver | None = None,
    ) -> None:
        """``hosts``: host:port of each server of one ensemble. ``timeout``: the longest that a call
        may wait. Durations in seconds. Raises ValueError."""
        self._session = ZooKeeperSession(hosts, root=f"/{prefix}-locks", shortest=max_ttl)
        self._max_ttl = max_ttl
        self._timeout = timeout
        self._clock = SYSTEM_CLOCK
        self._observer = observer or SilentObserver()

    def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease:
        """One attempt. Raises LeaseBusy, QuorumUnavailable, ValueError for a bad key or TTL."""
        check_key(key)
        check_ttl(ttl, self._max_ttl)
        started = self._clock.monotonic()
        deadline = started + min(self._timeout, ttl)
        try:
            path, stat, others = self._stand_in_line(key, ttl, holder, deadline)
            with self._dropped_on_error(path):
                left = self._holders_time(stat, others, deadline)
                if left is not None:
                    raise LeaseBusy(key, left)
                token = self._session.token(stat.czxid, deadline)
                now = self._clock.monotonic()
                valid_until = started + ttl - drift(ttl)
                if now >= valid_until:
                    raise EnsembleAway("its answer came after the lease's end")
        except LeaseBusy:
            self._tell("acquire", "busy", started)
            raise
        except (EnsembleAway, KazooException) as error:
            self._tell("acquire", "no_quorum", started)
            self._observer.node_failed(self._session.place, _reason(error))
            raise QuorumUnavailable(
                f"ZooKeeper at {self._session.place} cannot give out leases: {_reason(error)}."
            ) from error
        self._observer.node_answered(self._session.place, now - started)
        self._tell("acquire", "granted", started)
        return Lease(key, path, token, ttl, valid_until, now, entry=holder, backend="zookeeper")

    def extend(self, lease: Lease) -> Lease:
        """The same lease with a full TTL from now. Raises LeaseLost, also when the ensemble does
        not say within the old validity that it is still held."""
        started = self._clock.monotonic()
        left = lease.remaining(started)
        try:
            if left <= 0:
                raise EnsembleAway("it ran out before it was extended")
            deadline = started + min(self._timeout, left)
            # Writing the node sets its time of change, from which contenders count the TTL.
            content = _content(lease.key, lease.ttl, lease.entry)
            self._session.write(lease.nonce, content, deadline)
            if self._clock.monotonic() >= lease.valid_until:
                raise EnsembleAway("the answer came after its end")
        except (EnsembleAway, KazooException) as error:
            self._tell("extend", "lost", started)
            raise LeaseLost(
                f"The lease {lease.key!r} could not be extended: {_reason(error)}."
            ) from error
        self._tell("extend", "granted", started)
        return replace(lease, valid_until=started + lease.ttl - drift(lease.ttl))

    def release(self, lease: Lease) -> bool:
        """Give the lease back. False: it was not ours any more, or the ensemble did not say."""
        started = self._clock.monotonic()
        ours = lease.remaining(started) > 0
        try:
            self._session.remove(lease.nonce, started + self._timeout)
        except EnsembleAway:
            # Not said is not not ours, but nobody may build on it; it goes as soon as it can.
            self._session.drop(lease.nonce)
            ours = False
        except KazooException:
            ours = False
        self._tell("release", "released" if ours else "not_held", started)
        return ours

    def let_go(self, lease: Lease, told: Callable[[bool], None]) -> None:
        """``release``: here nobody else would read the answer."""
        told(self.release(lease))

    def leases(self, *, limit: int = 1000) -> list[LeaseSeen]:
        """What is held now, by key. What is left of each is counted with this machine's clock, and
        its nonce is the part of the node's name that no key has. Nobody is known to wait here:
        waiters look again by and by. Raises QuorumUnavailable."""
        deadline = self._clock.monotonic() + self._timeout
        try:
            lines = self._session.first_in_line(limit, deadline)
            seen = [self._seen(*line, deadline) for line in lines]
        except (EnsembleAway, KazooException) as error:
            raise QuorumUnavailable(
                f"ZooKeeper at {self._session.place} does not list its leases: {_reason(error)}."
            ) from error
        return sorted((one for one in seen if one.remaining_seconds > 0), key=lambda one: one.key)

    def _seen(self, path: str, content: bytes, stat: Any, deadline: float) -> LeaseSeen:
        said = json.loads(content)
        left = stat.mtime / 1000 + said["ttl"] - self._clock.wall()
        token = self._session.token(stat.czxid, deadline)
        nonce = path.rsplit("/", 1)[1].split("-", 1)[1]
        return LeaseSeen(said["key"], nonce, token, left, said.get("holder", ""), (), 0)

    def force_release(self, key: str, nonce: str) -> bool:
        """Take the lease with this nonce from its holder, who learns it at its next renewal. False:
        it was gone already, or the ensemble did not say."""
        check_key(key)
        now = self._clock.monotonic()
        folder, name = self._place_of(key)
        path = f"{folder}/{name}-{nonce}"
        return self.release(Lease(key, path, 0, 1.0, now + 1.0, now, backend="zookeeper"))

    def close(self) -> None:
        """End the session; what this process still holds is free at once."""
        self._session.close()

    # -- one attempt ----------------------------------------------------------

    def _stand_in_line(
        self, key: str, ttl: float, holder: str, deadline: float
    ) -> tuple[str, Any, list[str]]:
        """Create our node. Its path, its stat, and the paths of those that stand before it."""
        folder, name = self._place_of(key)
        mark = f"{name}-{secrets.token_hex(16)}-"
        path, stat, names = self._session.line_up(
            folder, mark, _content(key, ttl, holder), deadline
        )
        place = _place(path)
        before = [n for n in names if n.startswith(f"{name}-") and _place(n) < place]
        return path, stat, [f"{folder}/{n}" for n in sorted(before, key=_place)]

    def _place_of(self, key: str) -> tuple[str, str]:
        """The folder of a key's nodes, and how their names begin."""
        name = sha256(key.encode()).hexdigest()[:40]
        return f"{self._session.root}/{int(name[:8], 16) % _FOLDERS:02x}", name

    def _holders_time(self, stat: Any, others: list[str], deadline: float) -> float | None:
        """None when we are the first, else how long the holder has left. Leases whose time is over
        are taken away; both times are the leader's, so no other clock is read."""
        for other in others:
            try:
                content, theirs = self._session.read(other, deadline)
                left = theirs.mtime / 1000 + _ttl(content) - stat.ctime / 1000
                if left > 0:
                    # The first in line may be its holder; the others have asked, as we do.
                    return min(left, self._max_ttl) if other == others[0] else 0.0
                # An extension that came in between raised the version: then it stays.
                self._session.remove_version(other, theirs.version, deadline)
            except NoNodeError:
                continue
            except BadVersionError:
                return 0.0
        return None

    @contextmanager
    def _dropped_on_error(self, path: str) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._session.drop(path)
            raise

    def _tell(self, operation: str, outcome: str, started: float) -> None:
        seconds = self._clock.monotonic() - started
        self._observer.round_done(operation, outcome, seconds, second_round=False, margin=0)


def _content(key: str, ttl: float, holder: str) -> bytes:
    return json.dumps({"key": key, "ttl": ttl, "holder": holder}).encode()


def _ttl(content: bytes) -> float:
    return float(json.loads(content)["ttl"])


def _place(path: str) -> int:
    """The number that the ensemble gave to the node."""
    return int(path.rsplit("-", 1)[1])


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
