"""The connections of one process to all lock nodes, in the hands of one thread at a time."""

import threading
from collections.abc import Callable, Iterable

from tasks.errors import TaskError
from tasks.locks.fanout import Fanout
from tasks.locks.line import Line, Turn
from tasks.locks.messages import Call, Release

Make = Callable[[str], Fanout]
"""New connections for a process that is called on this bell."""


class Connections:
    """``with connections as fanout:`` is a round, or what belongs together. Safe for threads."""

    def __init__(self, make: Make, line: Callable[[], Line] = Line) -> None:
        self._make = make
        self._new_line = line
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self.line = self._new_line()
        self._fanout = self._make(self.line.bell)

    def __enter__(self) -> Fanout:
        self._lock.acquire()
        try:
            self._fanout.begin()
        except BaseException:
            self._end_torn()
            raise
        return self._fanout

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not issubclass(kind, TaskError):
            self._end_torn()
            return
        behind = self._fanout.behind
        ended = behind.ended
        try:
            if self._fanout.pushed:
                self.pass_on_calls()
            if ended:
                behind.ended = []
        finally:
            self._lock.release()
        for done in ended:
            done.told(done.machine.passed)

    def pass_on_calls(self) -> None:
        """To those who wait. Who is called and waits no more, such as after a broken connection,
        gives back at once what nobody would."""
        fanout = self._fanout
        for call in self.line.tell(fanout.calls()):
            fanout.send((call.node,), Release(call.key, call.nonce))

    def hear(self, turn: Turn, said: Iterable[tuple[int, int]]) -> tuple[list[Call], list[int]]:
        """Read where something was said, pass the calls on, and lie down again: the calls for
        ``turn``, and the sockets on which it may hear more. No round of its own."""
        self._lock.acquire()
        try:
            self._fanout.read(said)
            self.pass_on_calls()
            calls = turn.get_up()
            turn.lie_down()
            sockets = self._fanout.sockets()
        except BaseException:
            self._end_torn()
            raise
        self._lock.release()
        return calls, sockets

    def close(self) -> None:
        """Drop them. The next round makes new ones."""
        with self._lock:
            self._fanout.close()
            self._fanout = self._make(self.line.bell)
            self.line.close()

    def after_fork(self) -> None:
        """In the child: the parent's sockets, and a lock that another thread may have held."""
        self._fanout.abandon()
        self.line.abandon()
        self._begin_anew()

    def _end_torn(self) -> None:
        """A signal (Celery's soft time limit) may have struck between a request and its note: what
        answers what is unknown now, so these connections are not used again."""
        try:
            self._fanout.close()
            self._fanout = self._make(self.line.bell)
        finally:
            self._lock.release()
