"""Declare new lock nodes to be new, so that they may vote at once."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from tasks.locks.node import CONNECT_ERRORS, Session, label, open_session
from tasks.locks.wire import lease_prefix, mark_new, marker_key


class NodeNotNew(Exception):
    """The node has kept leases before, or cannot be asked."""


def mark_ready(urls: Sequence[str], *, prefix: str, timeout: float = 1.0) -> None:
    """Let empty nodes vote at once instead of after their quarantine.

    Only for servers that have never kept a lease: a node that lost its memory would vote against
    a holder it has forgotten. All nodes are looked at before the first one is marked.
    ``timeout`` in seconds, per step. Raises NodeNotNew.
    """
    with ExitStack() as stack:
        sessions = {}
        for url in urls:
            session = sessions[label(url)] = _open(url, timeout)
            stack.callback(session.connection.disconnect)
        for place, session in sessions.items():
            _check_untouched(place, session, prefix)
        for place, session in sessions.items():
            if _ask(session, *mark_new(prefix, session.run_id)) != [b"marked"]:
                raise _refusal(place, "a client was quicker and started its quarantine")


def _open(url: str, timeout: float) -> Session:
    try:
        return open_session(url, timeout)
    except CONNECT_ERRORS as error:
        raise NodeNotNew(
            f"Lock node {label(url)} cannot be asked: {error} "
            "Start it, or correct LOCK_REDIS_URLS, and run this again."
        ) from error


def _check_untouched(place: str, session: Session, prefix: str) -> None:
    if _ask(session, "EXISTS", marker_key(prefix)):
        raise _refusal(place, "it has been in use before")
    cursor = b"0"
    while True:
        pattern = f"{lease_prefix(prefix)}*"
        cursor, keys = _ask(session, "SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        if keys:
            raise _refusal(place, "it keeps leases")
        if cursor == b"0":
            return


def _refusal(place: str, fact: str) -> NodeNotNew:
    return NodeNotNew(
        f"Lock node {place} is not new: {fact}. "
        "Leave it: it votes by itself when its quarantine is over."
    )


def _ask(session: Session, *command: str | int | bytes) -> Any:
    session.connection.send_command(*command)
    return session.connection.read_response()
