"""Requests as EVALSHA commands, and what the scripts answer."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hiredis

from tasks.locks.messages import (
    Acquire,
    Ahead,
    Confirm,
    Confirmed,
    Denied,
    Extend,
    Failed,
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

_FOLDER = Path(__file__).parent / "scripts"
_NAMES = ("acquire", "confirm", "extend", "release", "withdraw")
_MARK_NEW = (_FOLDER / "mark_new.lua").read_bytes()


def _pack(*command: str | int | bytes) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # typed as a 1-tuple
    return packed


DUE_MS = 8
"""So long, times the number of waiters, others may go first; then it is the first one's turn."""
_MOST_KEYS = 1024

_BARE: dict[bytes, Reply] = {
    b"confirmed": Confirmed(),
    b"refused": Refused(),
    b"held": Held(),
    b"replanted": Replanted(),
    b"lost": Lost(),
    b"released": Released(),
    b"not_ours": NotOurs(),
    b"withdrawn": Withdrawn(),
}


def marker_key(prefix: str) -> str:
    """The key in which a node notes which run of its server may vote, and from when."""
    return f"{prefix}:lock-node"


def lease_prefix(prefix: str) -> str:
    """What the names of all slots begin with."""
    return f"{prefix}:lease:"


@dataclass(frozen=True, slots=True)
class Terms:
    """What all clients of the same nodes must agree on. Durations in milliseconds."""

    prefix: str
    quarantine_ms: int
    """At least the largest TTL in use plus the clock allowance."""
    retention_ms: int
    """How long a counter outlives its last use; longer than the quarantine."""
    lead_ms: int
    """How far a proposal may lie ahead of the node's clock."""
    marker: str = field(init=False)
    bells: str = field(init=False)
    """What the names of all channels begin with on which waiters are called."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "marker", marker_key(self.prefix))
        object.__setattr__(self, "bells", f"{self.prefix}:bell:")

    def slot(self, key: str) -> str:
        # The braces are a Redis hash tag: all keys of one lock belong together.
        return f"{self.prefix}:lease:{{{key}}}"

    def counter(self, key: str) -> str:
        return f"{self.prefix}:token:{{{key}}}"

    def waiting(self, key: str) -> str:
        return f"{self.prefix}:waiting:{{{key}}}"


class Encoder:
    """Requests as bytes. What is the same for all requests about a key is packed once."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._heads: dict[str, tuple[bytes, bytes]] = {}
        # Written into the scripts: as arguments they would be parsed in every call.
        numbers = (
            f"local QUARANTINE_MS, LEAD_MS, RETENTION_MS = "
            f"{terms.quarantine_ms}, {terms.lead_ms}, {terms.retention_ms}\n"
            f"local BELLS, DUE_MS = '{terms.bells}', {DUE_MS}\n"
        ).encode()
        sources = {name: numbers + (_FOLDER / f"{name}.lua").read_bytes() for name in _NAMES}
        # Redis names a script by its SHA-1; nothing here depends on it being hard to forge.
        self._sha = {
            name: hashlib.sha1(body, usedforsecurity=False).hexdigest()
            for name, body in sources.items()
        }
        self.loading = [_pack("SCRIPT", "LOAD", body) for body in sources.values()]
        """Commands to send on a new connection."""

    def encode(self, request: Request) -> bytes:
        """ACQUIRE is not complete without the node's ``signature`` at its end."""
        if type(request) is Acquire:
            return self._acquire(request)
        if type(request) is Release:
            return self._release(request)
        return self._rare(request)

    def _acquire(self, request: Acquire) -> bytes:
        value = f"{request.nonce} {request.holder}".encode()
        ttl, proposal, waiter = str(request.ttl_ms), str(request.proposal), request.waiter
        numbers = f"\r\n${len(ttl)}\r\n{ttl}\r\n${len(proposal)}\r\n{proposal}\r\n"
        count = b"*11"
        if waiter:
            waited = str(request.waited_ms)
            numbers += f"${len(waiter)}\r\n{waiter}\r\n${len(waited)}\r\n{waited}\r\n"
            count = b"*13"
        return b"%b%b$%d\r\n%b%b" % (
            *(count, self._head(request.key)[0]),
            *(len(value), value, numbers.encode()),
        )

    def _release(self, request: Release) -> bytes:
        head, nonce = self._head(request.key)[1], request.nonce
        mine = f"${len(nonce)}\r\n{nonce}\r\n"
        if not request.waiter and not request.next:
            return b"*6" + head + mine.encode()
        for name in (request.waiter, request.next):
            mine += f"${len(name)}\r\n{name}\r\n"
        return b"*8" + head + mine.encode()

    def _head(self, key: str) -> tuple[bytes, bytes]:
        """The beginnings of ACQUIRE and of RELEASE, without the number of arguments."""
        if heads := self._heads.get(key):
            return heads
        if len(self._heads) >= _MOST_KEYS:
            self._heads.clear()
        terms = self._terms
        slot, counter, waiting = terms.slot(key), terms.counter(key), terms.waiting(key)
        acquire = self._call("acquire", 4, slot, counter, terms.marker, waiting)
        release = self._call("release", 2, slot, waiting)
        self._heads[key] = heads = (
            acquire[acquire.index(b"\r\n") :],
            release[release.index(b"\r\n") :],
        )
        return heads

    def _rare(self, request: Request) -> bytes:
        key = request.key
        slot, counter = self._terms.slot(key), self._terms.counter(key)
        match request:
            case Confirm(_, nonce, token):
                return self._call("confirm", 2, slot, counter, nonce, token)
            case Extend(_, nonce, ttl_ms, token):
                return self._call("extend", 2, slot, counter, nonce, ttl_ms, token)
            case Withdraw(_, waiter):
                return self._call("withdraw", 1, self._terms.waiting(key), waiter)
        raise TypeError(f"{request!r} has an encoding of its own.")

    def _call(self, name: str, *arguments: str | int) -> bytes:
        return _pack("EVALSHA", self._sha[name], *arguments)


def signature(run_id: str) -> bytes:
    """The last argument of every ACQUIRE to the server with this run id."""
    return b"$%d\r\n%b\r\n" % (len(run_id.encode()), run_id.encode())


def mark_new(prefix: str, run_id: str) -> tuple[str | int | bytes, ...]:
    """The command that declares a node to be new; answers ``[b"marked"]`` or ``[b"known"]``."""
    return ("EVAL", _MARK_NEW, 1, marker_key(prefix), run_id)


def parse(answer: Any) -> Reply:
    """A script's answer as a reply. Whatever is not one of ours is a failure with its reason."""
    if type(answer) is int:
        return Granted(answer)
    if type(answer) is bytes and (bare := _BARE.get(answer)):
        return bare
    match answer:
        case [b"granted", int() as counter, bytes() as waiter]:
            return Granted(counter, waiter.decode(errors="replace"))
        case [b"denied", int() as ms, bytes() as owner]:
            return Denied(ms / 1000, owner.decode(errors="replace"))
        case [b"not_ready", int() as ms]:
            return NotReady(ms / 1000)
        case [b"ahead", int() as ms]:
            return Ahead(ms / 1000)
    return Failed(str(answer))
