"""The crowd in a process of its own, beside one that has other things to do meanwhile."""

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from ops.rehearse.crowd import send_in
from ops.rehearse.person import Visit
from ops.rehearse.plan import Plan

_LOOK_SECONDS = 0.5
_LAST_SECONDS = 5


class CrowdLost(Exception):
    """The crowd's process ended without a word."""


def send_in_beside(
    base: str,
    path: str,
    crowd: Sequence[Plan],
    patience_seconds: float,
    meanwhile: Callable[[], None],
) -> list[Visit]:
    """As ``send_in``; ``meanwhile`` is called twice a second, and ends it by raising.

    Raises CrowdLost, and what ``meanwhile`` raises.
    """
    # A forked child would share the connections to the database.
    method = multiprocessing.get_context("spawn")
    ours, theirs = method.Pipe(duplex=False)
    # No daemon: a large crowd has processes of its own.
    process = method.Process(target=_come, args=(theirs, base, path, crowd, patience_seconds))
    process.start()
    theirs.close()
    try:
        while not ours.poll(_LOOK_SECONDS):
            meanwhile()
        found: list[Visit] = ours.recv()
    except EOFError as error:
        process.join(_LAST_SECONDS)
        raise CrowdLost(f"The crowd's process ended with {process.exitcode}.") from error
    finally:
        ours.close()
        process.terminate()
        process.join()
    return found


def _come(
    told: "Connection[list[Visit], list[Visit]]",
    base: str,
    path: str,
    crowd: Sequence[Plan],
    patience_seconds: float,
) -> None:
    told.send(send_in(base, path, crowd, patience_seconds))
