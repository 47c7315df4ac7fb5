"""Several actors at once in one thread, each with a database connection of its own.

An actor gives way before each of its statements and at each call of the bank; who goes on, and for
how many statements, is told from outside. So an interleaving can be repeated and made smaller. An
actor that waits for a row lock in PostgreSQL gives way too, until its answer is there.
"""

import select
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from django.db import DEFAULT_DB_ALIAS, connections
from greenlet import GreenletExit, getcurrent, greenlet
from psycopg2 import extensions

from ops.lifecycle.errors import Broken

_Connection = Any  # a DatabaseWrapper; the stubs know only the proxy
_ANSWER_SECONDS = 0.004
_STILL_SECONDS = 20.0
_TO_THE_END = 1_000_000


class Actor:
    """One job on one connection. ``outcome`` is what it returned, ``error`` what it raised."""

    def __init__(self, name: str, job: Callable[[], Any], connection: _Connection) -> None:
        self.name = name
        self.outcome: Any = None
        self.error: Exception | None = None
        self.budget = 0
        self.waits_for: int | None = None
        self.connection = connection
        self._job = job
        self.thread = greenlet(self._run)

    def _run(self) -> None:
        try:
            self.outcome = self._job()
        except Exception as error:  # noqa: BLE001 - the world judges it
            self.error = error


@dataclass
class _Death:
    left: int
    cause: type[BaseException]


class Stage:
    """Keeps the connections; make one for each process."""

    def __init__(self) -> None:
        self._spare: list[_Connection] = []
        self._main: _Connection = connections[DEFAULT_DB_ALIAS]
        self._actor: Actor | None = None
        self._hub = getcurrent()
        self._dying: dict[Any, _Death] = {}
        self._watching: Any = None
        self._playing: list[Actor] = []

    @property
    def is_anybody_midway(self) -> bool:
        """Whether another actor than the one who asks has begun and is not at the end."""
        return any(one.thread and one is not self._actor for one in self._playing)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Sees every statement of this process until the block ends."""
        self._main.execute_wrappers.append(self._before_statement)
        try:
            yield
        finally:
            self._main.execute_wrappers.remove(self._before_statement)
            for connection in self._spare:
                connection.close()
            self._spare.clear()
            if self._watching is not None:
                self._watching.close()
                self._watching = None

    def together(self, jobs: dict[str, Callable[[], Any]], turns: Iterable[int]) -> list[Actor]:
        """Play the jobs; ``turns`` are numbers of statements, for one actor after the other. When
        they are used up, each runs until it ends or waits. Raises Broken when nobody can go on."""
        self._hub = getcurrent()
        actors = [
            Actor(name, job, self._connection(number))
            for number, (name, job) in enumerate(jobs.items())
        ]
        # psycopg2 waits for its answers through us, so that who waits can give way.
        extensions.set_wait_callback(self._wait)
        self._playing = actors
        try:
            self._play(actors, iter(turns))
        finally:
            self._playing = []
            for actor in actors:
                self._end(actor)
            extensions.set_wait_callback(None)
        return actors

    def _play(self, actors: list[Actor], lengths: Iterator[int]) -> None:
        at = 0
        while alive := [actor for actor in actors if not actor.thread.dead]:
            ready = self._ready(alive)
            actor = next((one for one in ready if actors.index(one) >= at), ready[0])
            actor.budget = next(lengths, _TO_THE_END)
            self._go_on(actor)
            at = actors.index(actor) + 1

    def _end(self, actor: Actor) -> None:
        """Whoever is not at the end when the play stops is rolled back."""
        if not actor.thread.dead:
            connections[DEFAULT_DB_ALIAS] = actor.connection
            try:
                actor.thread.throw(GreenletExit)
            finally:
                connections[DEFAULT_DB_ALIAS] = self._main

    @contextmanager
    def mortal(self, statements: int, death: type[BaseException]) -> Iterator[None]:
        """Whoever runs this block dies of ``death`` after so many statements, if it gets so far."""
        me = getcurrent()
        self._dying[me] = _Death(statements, death)
        try:
            yield
        finally:
            self._dying.pop(me, None)

    def pause(self, _: str = "") -> None:
        """Where an actor may be interrupted, and where one dies. Nothing else happens outside of
        ``together``."""
        if death := self._dying.get(getcurrent()):
            death.left -= 1
            if death.left < 0:
                del self._dying[getcurrent()]
                raise death.cause
        actor = self._actor
        if actor is None:
            return
        actor.budget -= 1
        if actor.budget < 0:
            self._hub.switch()

    def _go_on(self, actor: Actor) -> None:
        self._actor = actor
        connections[DEFAULT_DB_ALIAS] = actor.connection
        try:
            actor.thread.switch()
        finally:
            self._actor = None
            connections[DEFAULT_DB_ALIAS] = self._main

    def _ready(self, alive: list[Actor]) -> list[Actor]:
        waiting = {actor.waits_for: actor for actor in alive if actor.waits_for is not None}
        free = [actor for actor in alive if actor.waits_for is None]
        readable, _, _ = select.select(list(waiting), [], [], 0 if free else _STILL_SECONDS)
        ready = free + [waiting[descriptor] for descriptor in readable]
        if not ready:
            raise Broken(f"Nobody can go on: {', '.join(actor.name for actor in alive)}.")
        return sorted(ready, key=alive.index)

    def _connection(self, number: int) -> _Connection:
        while len(self._spare) <= number:
            connection = connections.create_connection(DEFAULT_DB_ALIAS)
            connection.settings_dict = self._main.settings_dict
            connection.execute_wrappers.append(self._before_statement)
            self._spare.append(connection)
        return self._spare[number]

    def _before_statement(self, execute: Any, *arguments: Any) -> Any:
        self.pause()
        return execute(*arguments)

    def _wait(self, connection: Any) -> None:
        while (state := connection.poll()) != extensions.POLL_OK:
            descriptor = connection.fileno()
            reads = [descriptor] if state == extensions.POLL_READ else []
            writes = [descriptor] if state == extensions.POLL_WRITE else []
            actor = None if connection is self._watching else self._actor
            timeout = _STILL_SECONDS if actor is None else _ANSWER_SECONDS
            found = select.select(reads, writes, [], timeout)
            if actor is not None and not (found[0] or found[1]) and self._is_blocked(connection):
                actor.waits_for = descriptor
                self._hub.switch()
                actor.waits_for = None

    def _is_blocked(self, connection: Any) -> bool:
        """Whether it waits for a lock. A machine that is slow must not change who goes on."""
        if self._watching is None:
            self._watching = psycopg2.connect(**self._main.get_connection_params())
            self._watching.autocommit = True
        with self._watching.cursor() as cursor:
            cursor.execute("SELECT pg_blocking_pids(%s) <> '{}'", [connection.info.backend_pid])
            return bool(cursor.fetchone()[0])
