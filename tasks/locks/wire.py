"""Requests as EVALSHA commands, and what the scripts answer."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hiredis

from tasks.locks.messages import (
    Acquire,
    Ahead,
    Call,
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
)

_FOLDER = Path(__file__).parent / "scripts"
_NAMES = ("acquire", "confirm", "extend", "release")
_MARK_NEW = (_FOLDER / "mark_new.lua").read_bytes()


def _pack(*command: str | int | bytes) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # typed as a 1-tuple
    return packed


LIST_SECONDS = 10.0
"""A waiting list that nobody joins is forgotten; longer than any entry in it is good for."""
_MOST_KEYS = 1024

_BARE: dict[bytes, Reply] = {
    b"confirmed": Confirmed(),
    b"refused": Refused(),
    b"held": Held(),
    b"replanted": Replanted(),
    b"lost": Lost(),
    b"released": Released(),
    b"not_ours": NotOurs(),
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

    def key_of(self, slot: str) -> str:
        """The key whose slot has this name."""
        return slot[len(lease_prefix(self.prefix)) + 1 : -1]

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
        # What goes into a command as it is stands as text: Redis is slow at writing numbers.
        numbers = (
            f"local QUARANTINE_MS, LEAD_MS = {terms.quarantine_ms}, {terms.lead_ms}\n"
            f"local RETENTION_MS, LIST_MS, BELLS = "
            f"'{terms.retention_ms}', '{LIST_SECONDS * 1000:.0f}', '{terms.bells}'\n"
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
        """ACQUIRE and RELEASE are not complete without the node's ``signature`` at their end."""
        if type(request) is Acquire:
            return self._acquire(request)
        if type(request) is Release:
            return self._release(request)
        return self._rare(request)

    def _acquire(self, request: Acquire) -> bytes:
        value = f".{request.nonce} {request.holder}".encode()
        ttl, proposal, place = str(request.ttl_ms), str(request.proposal), request.place
        numbers = f"\r\n${len(ttl)}\r\n{ttl}\r\n${len(proposal)}\r\n{proposal}\r\n".encode()
        head = self._head(request.key)[0]
        if place is None:
            return b"*11%b$%d\r\n%b%b" % (head, len(value), value, numbers)
        line = _bulk(str(place.since_us)) + _bulk(place.entry)
        return b"*13%b$%d\r\n%b%b%b" % (head, len(value), value, numbers, line)

    def _release(self, request: Release) -> bytes:
        head, nonce, proposal = self._head(request.key)[1], request.nonce, str(request.proposal)
        mine = f"${len(nonce) + 1}\r\n{nonce} \r\n${len(proposal)}\r\n{proposal}\r\n".encode()
        if not request.entry:
            return b"*10%b%b" % (head, mine)
        return b"*11%b%b%b" % (head, mine, _bulk(request.entry))

    def _head(self, key: str) -> tuple[bytes, bytes]:
        """The beginnings of ACQUIRE and of RELEASE, without the number of arguments."""
        if heads := self._heads.get(key):
            return heads
        if len(self._heads) >= _MOST_KEYS:
            self._heads.clear()
        terms = self._terms
        slot, counter, waiting = terms.slot(key), terms.counter(key), terms.waiting(key)
        acquire = self._call("acquire", 4, slot, counter, terms.marker, waiting)
        release = self._call("release", 4, slot, counter, terms.marker, waiting)
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
                return self._call("confirm", 2, slot, counter, f"{nonce} ", token)
            case Extend(_, nonce, ttl_ms, token):
                return self._call("extend", 2, slot, counter, f"{nonce} ", ttl_ms, token)
        raise TypeError(f"{request!r} has an encoding of its own.")

    def _call(self, name: str, *arguments: str | int) -> bytes:
        return _pack("EVALSHA", self._sha[name], *arguments)


def _bulk(text: str) -> bytes:
    raw = text.encode()
    return b"$%d\r\n%b\r\n" % (len(raw), raw)


def signature(run_id: str) -> bytes:
    """The last argument of every ACQUIRE and RELEASE to the server with this run id: what its
    marker says once it may vote."""
    return _bulk(f"{run_id} 0")


def subscribe(terms: Terms, bell: str) -> bytes:
    """The command after which a connection hears whom a node has handed a key to."""
    return _pack("SUBSCRIBE", f"{terms.bells}{bell}")


def entry_of(request: Acquire, bell: str, last_ms: int) -> str:
    """What stands in a waiting list. ``bell`` names the connections on which it is called, and
    after ``last_ms`` of the node's clock it is passed over: its process may have stopped. Its own
    proposal counts beside that of the RELEASE, which may have been on its way for very long."""
    return f"{last_ms} {bell} {request.ttl_ms} {request.proposal} {request.nonce} {request.holder}"


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
        case [b"denied", int() as ms, bytes() as owner]:
            return Denied(ms / 1000, owner.decode(errors="replace"))
        case [b"not_ready", int() as ms]:
            return NotReady(ms / 1000)
        case [b"ahead", int() as ms]:
            return Ahead(ms / 1000)
    return Failed(str(answer))


def parse_call(node: int, terms: Terms, push: Any) -> Call | None:
    """What a node says by itself. None: nothing of interest."""
    match push:
        case [b"message", bytes(), bytes() as text]:
            counter, slot, nonce, *_ = text.decode(errors="replace").split(" ", 3)
            return Call(node, terms.key_of(slot), nonce, int(counter))
    return None
