"""Requests as EVALSHA commands, and what the scripts answer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
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
)

_FOLDER = Path(__file__).parent / "scripts"
SOURCES = {name: (_FOLDER / f"{name}.lua").read_bytes() for name in
           ("acquire", "confirm", "extend", "release", "mark_new")}  # fmt: skip
# Redis names a script by its SHA-1; nothing here depends on it being hard to forge.
_SHA = {
    name: hashlib.sha1(body, usedforsecurity=False).hexdigest().encode()
    for name, body in SOURCES.items()
}


def _pack(*command: str | int | bytes) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # typed as a 1-tuple
    return packed


LOAD_SCRIPTS = b"".join(_pack("SCRIPT", "LOAD", body) for body in SOURCES.values())

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

    @property
    def of_the_node(self) -> tuple[int, int]:
        return self.quarantine_ms, self.lead_ms

    @property
    def marker(self) -> str:
        return marker_key(self.prefix)

    def slot(self, key: str) -> str:
        # The braces are a Redis hash tag: all keys of one lock belong together.
        return f"{lease_prefix(self.prefix)}{{{key}}}"

    def counter(self, key: str) -> str:
        return f"{self.prefix}:token:{{{key}}}"


def encode(request: Request, terms: Terms, run_id: str) -> bytes:
    """The request as bytes for a node whose server has this run id."""
    slot, counter = terms.slot(request.key), terms.counter(request.key)
    match request:
        case Acquire(_, nonce, ttl_ms, proposal):
            return _call(
                "acquire",
                (slot, counter, terms.marker),
                (nonce, ttl_ms, proposal, terms.retention_ms, run_id, *terms.of_the_node),
            )
        case Confirm(_, nonce, token):
            return _call("confirm", (slot, counter), (nonce, token, terms.retention_ms))
        case Extend(_, nonce, ttl_ms, token):
            return _call("extend", (slot, counter), (nonce, ttl_ms, token, terms.retention_ms))
        case Release(_, nonce):
            return _call("release", (slot,), (nonce,))


def mark_new(prefix: str, run_id: str) -> tuple[str | int | bytes, ...]:
    """The command that declares a node to be new; answers ``[b"marked"]`` or ``[b"known"]``."""
    return ("EVALSHA", _SHA["mark_new"], 1, marker_key(prefix), run_id)


def parse(answer: Any) -> Reply:
    """A script's answer as a reply. Whatever is not one of ours is a failure with its reason."""
    match answer:
        case [bytes() as word] if word in _BARE:
            return _BARE[word]
        case [b"granted", int() as counter]:
            return Granted(counter)
        case [b"denied", int() as ms, bytes() as owner]:
            return Denied(ms / 1000, owner.decode(errors="replace"))
        case [b"not_ready", int() as ms]:
            return NotReady(ms / 1000)
        case [b"ahead", int() as ms]:
            return Ahead(ms / 1000)
    return Failed(str(answer))


def _call(name: str, keys: Sequence[str], arguments: tuple[str | int, ...]) -> bytes:
    return _pack("EVALSHA", _SHA[name], len(keys), *keys, *arguments)
