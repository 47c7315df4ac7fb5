"""What the lock nodes hold at the moment, for people to look at."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.locks.node import CONNECT_ERRORS, label, make_connection
from tasks.locks.wire import Terms, lease_prefix

logger = logging.getLogger(__name__)

_BATCH = 500


@dataclass(frozen=True, slots=True)
class LeaseSeen:
    """One lease, or an attempt at one, as the nodes know it."""

    key: str
    nonce: str
    token: int
    """The largest counter of these nodes: the lease's fencing token, or a little more."""
    remaining_seconds: float
    """Until the first of these nodes forgets it."""
    holder: str
    """As told to ``acquire``; may be empty."""
    nodes: tuple[str, ...]
    """Who has it as host:port. Fewer than a majority: nobody holds it, it is being tried. Empty
    for a backend without nodes."""
    waiting: int
    """How many are in the queue for the key."""


def look_at_leases(
    urls: Sequence[str], terms: Terms, timeout: float, limit: int
) -> list[LeaseSeen]:
    """All leases by key, from the nodes that answer. About ``limit`` slots per node are read."""
    seen: dict[tuple[str, str], LeaseSeen] = {}
    for url in urls:
        connection = make_connection(url, timeout)
        try:
            connection.connect()
            for lease in _of_one_node(connection, label(url), terms, limit):
                place = lease.key, lease.nonce
                seen[place] = _merged(seen[place], lease) if place in seen else lease
        except CONNECT_ERRORS as error:
            logger.warning("lock node %s cannot be looked at: %s", label(url), error)
        finally:
            connection.disconnect()
    return sorted(seen.values(), key=lambda lease: (lease.key, lease.nonce))


def _of_one_node(connection: Any, name: str, terms: Terms, limit: int) -> Iterator[LeaseSeen]:
    cursor, left = b"0", limit
    start = len(terms.slot("")) - 1
    while left > 0:
        pattern = f"{lease_prefix(terms.prefix)}*"
        connection.send_command("SCAN", cursor, "MATCH", pattern, "COUNT", _BATCH)
        cursor, slots = connection.read_response()
        keys = [slot.decode(errors="replace")[start:-1] for slot in slots[:left]]
        left -= len(keys)
        commands = [command for key in keys for command in _questions(key, terms)]
        if commands:
            connection.send_packed_command(connection.pack_commands(commands))
        for key in keys:
            value, counter, remaining, waiting = (connection.read_response() for _ in range(4))
            if value:  # else it ended in the meantime
                # The first character tells the scripts whether somebody waits.
                nonce, _, holder = value[1:].decode(errors="replace").partition(" ")
                seconds = max(remaining, 0) / 1000
                yield LeaseSeen(
                    key, nonce, int(counter or 0), seconds, holder, (name,), int(waiting)
                )
        if cursor == b"0":
            return


def _questions(key: str, terms: Terms) -> list[tuple[str, str]]:
    slot = terms.slot(key)
    return [
        ("GET", slot),
        ("GET", terms.counter(key)),
        ("PTTL", slot),
        ("ZCARD", terms.waiting(key)),
    ]


def _merged(a: LeaseSeen, b: LeaseSeen) -> LeaseSeen:
    return LeaseSeen(
        key=a.key,
        nonce=a.nonce,
        token=max(a.token, b.token),
        remaining_seconds=min(a.remaining_seconds, b.remaining_seconds),
        holder=a.holder or b.holder,
        nodes=a.nodes + b.nodes,
        waiting=max(a.waiting, b.waiting),
    )
