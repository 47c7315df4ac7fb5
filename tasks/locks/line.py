"""Those of this process who stand in the nodes' waiting lists, and how a node's call reaches them.

A node hands a key over inside the RELEASE that frees it and calls the heir on the connection on
which that one had asked. Whichever thread reads the call tells the one whom it is for.
"""

import os
import secrets
import select
from collections.abc import Iterable
from contextlib import suppress

from tasks.locks.messages import Call


class Turn:
    """One attempt that waits, under its nonce."""

    __slots__ = ("_pipe", "_sleeps", "calls")

    def __init__(self, pipe: tuple[int, int]) -> None:
        self.calls: list[Call] = []
        self._pipe = pipe
        self._sleeps = False

    def lie_down(self) -> None:
        """From now on a call has to wake us. Under the lock of the connections, as ``get_up``."""
        self._sleeps = True

    def get_up(self) -> list[Call]:
        """The calls since the last time."""
        self._sleeps = False
        calls, self.calls = self.calls, []
        return calls

    def sleep(self, sockets: Iterable[int], seconds: float) -> list[tuple[int, int]]:
        """Until something is said on one of the sockets or to us, at most so long. Outside the
        lock, so that other threads may use the connections. What poll() says: empty when the time
        is over."""
        poll, own = select.poll(), self._pipe[0]
        poll.register(own, select.POLLIN)
        for fd in sockets:
            poll.register(fd, select.POLLIN)
        said = poll.poll(max(0.0, seconds) * 1000)
        if any(fd == own for fd, _ in said):
            with suppress(BlockingIOError):
                os.read(own, 64)
        return said

    def tell(self, call: Call) -> None:
        self.calls.append(call)
        if self._sleeps:
            with suppress(BlockingIOError):  # full: it will wake up all the same
                os.write(self._pipe[1], b"!")


class Line:
    """Joined and left by any thread; all else under the lock of the connections."""

    def __init__(self) -> None:
        self.bell = secrets.token_hex(8)
        """The name on which nodes call this process."""
        self._turns: dict[str, Turn] = {}
        self._spare: list[tuple[int, int]] = []

    def join(self, nonce: str) -> Turn:
        try:
            pipe = self._spare.pop()
        except IndexError:
            pipe = _pipe()
        turn = self._turns[nonce] = Turn(pipe)
        return turn

    def leave(self, nonce: str) -> None:
        """Nobody waits under ``nonce`` any more, nor holds a lease that was waited for."""
        turn = self._turns.pop(nonce, None)
        if turn is not None:
            # Kept open: a call that another thread is passing on at this moment must not be written
            # into whatever would get the same file descriptor. So there are as many as have ever
            # waited at once.
            self._spare.append(turn._pipe)

    def tell(self, calls: Iterable[Call]) -> list[Call]:
        """Pass the calls on. Those for nobody: a slot that somebody has to give back."""
        nobody = []
        for call in calls:
            if turn := self._turns.get(call.nonce):
                turn.tell(call)
            else:
                nobody.append(call)
        return nobody

    def close(self) -> None:
        """Let go of what is not in use."""
        while self._spare:
            _close(self._spare.pop())

    def abandon(self) -> None:
        """In a forked child: nobody waits here."""
        for turn in self._turns.values():
            _close(turn._pipe)
        self.close()


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends


def _close(pipe: tuple[int, int]) -> None:
    for end in pipe:
        os.close(end)
