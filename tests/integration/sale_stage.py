"""Several processes of the shop at once: threads that go on one step at a time, as they are told.

A step is a statement, a commit, a call of the gate or of the bank. Before each of them a hand stops
and waits for the baton. One that waits for a row lock in PostgreSQL is no longer waited for, until
it has the lock. A hand may be killed before any step: its transaction is rolled back, and nothing
of it is ever done after that.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import Any
from unittest.mock import patch

import psycopg2
from django.db import OperationalError, connections
from psycopg2 import errorcodes

from ops.lifecycle.errors import Broken
from shop.flash_sales import wire
from shop.flash_sales.gate import Gate

_ANSWER_SECONDS = 0.004
_STILL_SECONDS = 20.0
# No wait of a hand ends by itself: whether it is busy must not depend on how fast the machine is.
_PATIENCE = "SET lock_timeout = '60s'; SET statement_timeout = '60s'"
_thread = threading.local()


class Killed(BaseException):
    """The process was killed here."""


class State(Enum):
    IDLE = "has nothing to do"
    STOPPED = "waits for the baton"
    BLOCKED = "waits for a row lock"


class Hand:
    """One process of the shop: a thread with connections of its own. ``trace`` is told each step.

    ``step`` is what it is about to do. ``outcome`` and ``error`` are those of its last job.
    ``was_seen``: its last step may have changed what others see in the database.
    """

    def __init__(self, name: str, trace: Callable[[str], None]) -> None:
        self.name = name
        self.state = State.IDLE
        self.job_name = self.step = ""
        self.outcome: Any = None
        self.error: Exception | None = None
        self.is_dead = False
        self.dies_in: int | None = None
        self.deadlocked = False
        self.was_seen = True
        self.backend_pid = 0
        self._is_done = False
        self._back = threading.Semaphore(0)
        self._baton = threading.Semaphore(0)
        self._job: Callable[[], Any] | None = None
        self._trace = trace
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def begin(self, name: str, job: Callable[[], Any], *, dies_in: int | None) -> None:
        """Stands before its first step. ``dies_in``: how many it does before it is killed."""
        self.job_name, self._job, self.dies_in = name, job, dies_in
        self.outcome, self.error, self.step = None, None, "begins"
        self.state, self._is_done = State.STOPPED, False

    def go(self) -> None:
        self._baton.release()

    def is_back(self, seconds: float) -> bool:
        """Waits so long for the end of its step."""
        if not self._back.acquire(timeout=seconds):
            return False
        self.state = State.IDLE if self._is_done else State.STOPPED
        return True

    def kill(self) -> None:
        """Wherever it is, it does no further step."""
        self.is_dead = True
        self._job = None
        self._baton.release()

    def join(self) -> None:
        self._thread.join(_STILL_SECONDS)

    def stop_before(self, step: str) -> None:
        """Called by its own thread."""
        if self.is_dead:
            raise Killed
        self.step = step
        self._back.release()
        self._baton.acquire()
        if self.dies_in is not None:
            self.dies_in -= 1
            self.is_dead = self.is_dead or self.dies_in < 0
        if self.is_dead:
            self._trace(f"{self.name} {self.job_name}: is killed before: {step}")
            raise Killed
        self.was_seen = False
        self._trace(f"{self.name} {self.job_name}: {step}")

    def _live(self) -> None:
        _thread.hand = self
        connection: Any = connections["default"]
        try:
            with connection.cursor() as cursor:
                cursor.execute(_PATIENCE)
            self._watch(connection)
            while True:
                self._baton.acquire()
                if self._job is None:
                    return
                try:
                    self.outcome = self._job()
                except Exception as error:  # noqa: BLE001 - the world judges it
                    self.error = error
                if self.is_dead:
                    return
                self._is_done = True
                self._back.release()
        except Killed:
            pass
        finally:
            connection.close()
            if wire._own.connection is not None:
                wire._own.connection.disconnect()
            self._back.release()

    def _watch(self, connection: Any) -> None:
        def statement(execute: Any, sql: str, *rest: Any) -> Any:
            self.backend_pid = connection.connection.info.backend_pid
            self.stop_before(_short(sql))
            # What is not committed nobody else can see.
            self.was_seen = not connection.in_atomic_block and not sql.startswith("SELECT")
            try:
                return execute(sql, *rest)
            except OperationalError as error:
                found = getattr(error.__cause__, "pgcode", None) == errorcodes.DEADLOCK_DETECTED
                self.deadlocked = self.deadlocked or found
                raise

        real = connection._commit

        def commit() -> Any:
            self.stop_before("COMMIT")
            self.was_seen = True
            return real()

        connection.execute_wrappers.append(statement)
        connection._commit = commit


class Stage:
    """Keeps its hands from play to play. ``trace`` is what they did since ``clear``. ``was_seen``:
    the last step may have changed what others see in the database."""

    def __init__(self, names: list[str]) -> None:
        self.trace: list[str] = []
        self.was_seen = False
        self.hands = [Hand(name, self._note) for name in names]
        self.reader = psycopg2.connect(**connections["default"].get_connection_params())
        self.reader.autocommit = True

    @contextmanager
    def open(self) -> Iterator[None]:
        """Calls of the gate are steps; everything is closed afterwards, wherever the hands are."""
        run, send, call = wire.run, Gate._run, Gate._call

        def asked(asks: wire.Script, keys: Any, values: Any) -> Any:
            pause(f"gate: ask {values[0]}")
            return run(asks, keys, values)

        def sent(gate: Gate, name: str, *arguments: object) -> Any:
            _thread.asks = " ".join([name, *map(str, arguments)])[:110]
            return send(gate, name, *arguments)

        def called(gate: Gate, act: Any) -> Any:
            pause(f"gate: {_thread.__dict__.pop('asks', 'reads')}")
            return call(gate, act)

        with ExitStack() as stack:
            stack.enter_context(patch.object(wire, "run", asked))
            stack.enter_context(patch.object(Gate, "_run", sent))
            stack.enter_context(patch.object(Gate, "_call", called))
            try:
                yield
            finally:
                _end(self.hands)
                self.reader.close()

    def clear(self) -> None:
        """Nobody is in the middle of anything any more."""
        busy = [hand for hand in self.hands if hand.state is not State.IDLE]
        _end(busy)
        self.hands = [Hand(one.name, self._note) if one in busy else one for one in self.hands]
        self.trace.clear()

    def of(self, state: State) -> list[Hand]:
        return [hand for hand in self.hands if hand.state is state]

    def step(self, hand: Hand) -> bool:
        """Let the hand do its next step; whether it can do another one. Raises Broken."""
        blocked = self.of(State.BLOCKED)
        hand.go()
        self._wait_for(hand)
        for other in blocked:
            self._wait_for(other, at_once=True)
        self.was_seen = any(one.was_seen for one in (hand, *blocked))
        if hand.deadlocked:
            raise Broken(f"{hand.name} {hand.job_name}: deadlock at: {hand.step}")
        if hand.is_dead:
            self._wait_until_gone(hand)
            self.hands[self.hands.index(hand)] = Hand(hand.name, self._note)
        return hand.state is State.STOPPED and not hand.is_dead

    def wait_for_blocked(self) -> None:
        """Nobody else can go on. Raises Broken when they cannot either."""
        until = time.monotonic() + _STILL_SECONDS
        while blocked := self.of(State.BLOCKED):
            for hand in blocked:
                self._wait_for(hand, at_once=True)
                if hand.deadlocked:
                    raise Broken(f"{hand.name} {hand.job_name}: deadlock at: {hand.step}")
            if len(self.of(State.BLOCKED)) < len(blocked):
                return
            if time.monotonic() > until:
                names = ", ".join(f"{hand.name} {hand.job_name}" for hand in blocked)
                raise Broken(f"Nobody can go on: {names}.")
            time.sleep(_ANSWER_SECONDS)

    def _note(self, line: str) -> None:
        self.trace.append(line)

    def _wait_for(self, hand: Hand, *, at_once: bool = False) -> None:
        """Until it is back, or waits for a lock."""
        until = time.monotonic() + _STILL_SECONDS
        while not hand.is_back(0 if at_once else _ANSWER_SECONDS):
            at_once = False
            if self._is_blocked(hand):
                hand.state = State.BLOCKED
                return
            if time.monotonic() > until:
                raise Broken(f"{hand.name} {hand.job_name} does not come back from: {hand.step}")

    def _wait_until_gone(self, hand: Hand) -> None:
        """PostgreSQL frees what a dead process had when it notices, a moment later."""
        until = time.monotonic() + _STILL_SECONDS
        while time.monotonic() < until:
            with self.reader.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [hand.backend_pid])
                if not cursor.fetchall():
                    return
            time.sleep(_ANSWER_SECONDS / 4)
        raise Broken(f"The connection of {hand.name} is still there.")

    def _is_blocked(self, hand: Hand) -> bool:
        with self.reader.cursor() as cursor:
            cursor.execute("SELECT pg_blocking_pids(%s) <> '{}'", [hand.backend_pid])
            return bool(cursor.fetchone()[0])


def _end(hands: list[Hand]) -> None:
    # All at once: one may wait for a lock that another one has.
    for hand in hands:
        hand.kill()
    for hand in hands:
        hand.join()


def _short(sql: str) -> str:
    """Verb, table and condition; of what is inserted the table only."""
    sql = re.sub(r"^SELECT .*? FROM ", "SELECT … FROM ", " ".join(sql.split()).replace('"', ""))
    sql = re.sub(r"^(INSERT INTO \S+) .*", r"\1", sql)
    return sql.replace("flash_sales_", "").replace("orders_", "")[:110]


def pause(step: str) -> None:
    """A step that is no statement. Nothing, for whoever is no hand."""
    hand: Hand | None = getattr(_thread, "hand", None)
    if hand is not None:
        hand.stop_before(step)
