"""One connection to PostgreSQL on which no call waits longer than it may."""

import os
import select
import time
from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE

Row = tuple[Any, ...]

_EVENTS = {POLL_READ: select.POLLIN, POLL_WRITE: select.POLLOUT}
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
# A server that stays silent for so long will not answer any more; its connection is given up.
_GIVE_UP_SECONDS = 10.0
# Whatever the server's defaults: every grant and extension is on disk before anybody trusts it, and
# who waited for a row judges what is in it then.
_OPTIONS = (
    "-c synchronous_commit=on -c default_transaction_isolation=read\\ committed"
    " -c lock_timeout=3000 -c statement_timeout=5000"
)


class DatabaseAway(Exception):
    """PostgreSQL cannot be asked, did not answer in time, or refused."""


class NotAsked(DatabaseAway):
    """The statement was never sent."""


class _Broken(DatabaseAway):
    """The connection ended under a statement."""


class PostgresSession:
    """Connects on first use and again after a loss. Not safe for threads.

    psycopg2's ordinary calls wait for ever on a server that hangs, so the asynchronous interface is
    used, each step with a deadline in monotonic seconds. A statement whose answer does not come is
    not sent again: its connection is kept and asked for the answer by the next call, so that what
    is sent later also runs later. One whose connection broke is sent once more on a new one, so
    statements must be such that twice is the same as once.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        """``parameters`` of psycopg2.connect."""
        options = f"{parameters.get('options', '')} {_OPTIONS}".strip()
        self._parameters = {**parameters, "options": options, "async_": True}
        self._connection: Any = None
        self._unread: Any = None
        self._silent_since = 0.0
        self._pause = _FIRST_PAUSE_SECONDS
        self._next_try_at = 0.0
        self._trouble = ""

    @property
    def place(self) -> str:
        """host:port, for logs and metrics."""
        return f"{self._parameters.get('host', 'local')}:{self._parameters.get('port', 5432)}"

    def run(self, statement: str, values: Mapping[str, Any], deadline: float) -> list[Row]:
        """The rows of one statement, which is a transaction of its own.

        Raises NotAsked when it was not sent, and DatabaseAway.
        """
        self._be_ready(deadline)
        try:
            return self._run(statement, values, deadline)
        except _Broken:
            pass
        try:
            self._be_ready(deadline)
        except NotAsked as away:  # it was, the first time
            raise DatabaseAway(str(away)) from away
        return self._run(statement, values, deadline)

    def insist(self) -> None:
        """Connect with the next statement, however short ago that failed."""
        self._next_try_at = 0.0

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._unread = None

    def abandon(self) -> None:
        """In a forked child: let go of the parent's connection without a word to the server."""
        if self._connection is not None and not self._connection.closed:
            # psycopg2 says goodbye only in the process that made the connection.
            os.close(self._connection.fileno())
        self._connection = self._unread = None

    # -- one answer, one connection -------------------------------------------

    def _run(self, statement: str, values: Mapping[str, Any], deadline: float) -> list[Row]:
        try:
            cursor = self._connection.cursor()
            cursor.execute(statement, values)
            if not self._wait(deadline):
                self._unread, self._silent_since = cursor, time.monotonic()
                raise DatabaseAway("it did not answer in time")
            return list(cursor.fetchall())
        except psycopg2.Error as error:
            raise self._failure(error) from error

    def _be_ready(self, deadline: float) -> None:
        if self._unread is not None:
            self._catch_up()
        if self._connection is not None and self._was_dropped():
            self.close()
        if self._connection is None:
            self._connect(deadline)

    def _catch_up(self) -> None:
        """Read the answer that came too late; what it did is for the caller to undo."""
        try:
            if self._wait(time.monotonic()):
                self._unread = None
                return
        except psycopg2.Error as error:
            if self._connection.closed:
                self.close()
            else:
                self._unread = None
            self._trouble = _first_line(error)
            return
        silent = time.monotonic() - self._silent_since
        if silent > _GIVE_UP_SECONDS:
            self.close()
        raise NotAsked(f"it has not answered for {silent:.1f} s")

    def _was_dropped(self) -> bool:
        """Whether an idle connection has something to say, which can only be its end."""
        poller = select.poll()
        poller.register(self._connection.fileno(), select.POLLIN)
        return bool(poller.poll(0))

    def _connect(self, deadline: float) -> None:
        if time.monotonic() < self._next_try_at:
            raise NotAsked(self._trouble)
        try:
            self._connection = psycopg2.connect(**self._parameters)
            if self._wait(deadline):
                self._pause = _FIRST_PAUSE_SECONDS
                return
            trouble = "no connection in time"
        except psycopg2.Error as error:
            trouble = _first_line(error)
        self.close()
        self._next_try_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
        self._trouble = trouble
        raise NotAsked(trouble)

    def _wait(self, deadline: float) -> bool:
        """True when the step under way is done; False when ``deadline`` came first."""
        while (state := self._connection.poll()) != POLL_OK:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poller = select.poll()
            poller.register(self._connection.fileno(), _EVENTS[state])
            poller.poll(left * 1000 + 1)
        return True

    def _failure(self, error: psycopg2.Error) -> DatabaseAway:
        if self._connection.closed:
            self.close()
            return _Broken(_first_line(error))
        if isinstance(error, psycopg2.errors.UndefinedTable):
            return DatabaseAway("its table is missing: run manage.py migrate")
        return DatabaseAway(_first_line(error))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
