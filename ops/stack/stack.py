"""A private stack: every server and every part of the application, started and stopped as one."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from ops.stack import (
    credentials,
    environment,
    given,
    parts,
    ports,
    postgres,
    probes,
    processes,
    programs,
    rabbitmq,
    redis_servers,
    state,
)
from ops.stack.errors import StackError
from ops.stack.layout import Layout
from ops.stack.lock import StackLock
from ops.stack.running import SERVER_SECONDS, RunningStack
from ops.stack.supervisor import configuration, write_configuration
from tasks.locks.bootstrap import mark_ready

STOP_SECONDS = 45


def _print(line: str) -> None:
    print(line, flush=True)


class Stack(RunningStack):
    """A stack by name, with its data in one folder.

    Args:
        name: small letters, digits and dashes; also the name of the folder.
        fresh: begin with empty servers instead of the data of the last time.
        environment: settings of the application that differ from the stack's own.
        parts: what to start; when None all parts but those ON_REQUEST. Others can be started later.
        say: takes each line of progress.

    As a context manager it is started on entry and stopped on exit, whatever happens inside.
    """

    def __init__(
        self,
        name: str,
        *,
        fresh: bool = False,
        environment: Mapping[str, str] | None = None,
        parts: Iterable[str] | None = None,
        say: Callable[[str], None] = _print,
    ) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
            raise StackError(
                f"'{name}' is no name for a stack. Use small letters, digits and dashes."
            )
        layout = Layout.of(name)
        super().__init__(layout, state.load(layout) or state.State(), say)
        self._fresh = fresh
        self._extra = dict(environment or {})
        self._wanted = None if parts is None else set(parts)
        self._lock = StackLock(layout)

    @classmethod
    def attach(cls, name: str) -> Self:
        """The stack of this name that another process started.

        Raises:
            StackError: it is not running.
        """
        stack = cls(name)
        if not stack.is_running():
            how = "./dev up" if name == "dev" else f"the command that uses the stack '{name}'"
            raise StackError(f"The stack '{name}' is not running. Start it with {how}.")
        return stack

    def is_running(self) -> bool:
        """Whether it was started to the end and not stopped since."""
        return self._state.usable and processes.supervisor_of(self._layout) is not None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything that is wanted; return when it is usable.

        Raises:
            StackError: it did not work; nothing is left running.
        """
        began = time.monotonic()
        self._lock.acquire()
        try:
            self._clear()
            self._plan()
            self._launch()
            self._start_servers()
            if wanted := self.application_wanted():
                self.start_application(wanted)
            self._state.usable = True
            state.save(self._layout, self._state)
        except BaseException:
            self.stop()
            raise
        self._say(f"Stack '{self.name}' is up ({time.monotonic() - began:.0f} s).")

    def stop(self) -> None:
        """Stop everything and wait for the end. Nothing of this stack is alive afterwards."""
        self._lock.acquire()
        try:
            processes.end(self._layout, STOP_SECONDS)
            if self._state.usable:
                self._state.usable = False
                state.save(self._layout, self._state)
        finally:
            self._lock.release()

    # -- the steps of a start -------------------------------------------------

    def _clear(self) -> None:
        """End what a killed owner left behind; for a fresh stack, delete its data too."""
        if processes.members(self._layout):
            self._say("  stopping what an earlier run left behind")
        processes.end(self._layout, STOP_SECONDS)
        if self._fresh:
            self._layout.remove()
            self._state = state.State()

    def _plan(self) -> None:
        """Decide parts, ports, credentials and environment, and remember them."""
        wishes = given.from_environment()
        probes.check_given(wishes.urls)
        own = [part for part in parts.ALL if part not in wishes.replaced_parts]
        needed = {parts.PROGRAM_OF[part] for part in own if part in parts.PROGRAM_OF}
        programs.ensure(sorted({*needed, "Pango"}), self._say)
        self._layout.create()
        self._say(f"Starting the private stack '{self.name}' in {self.folder}")
        chosen = ports.choose(parts.PORT_NAMES, self._state.ports)
        for name, port in self._state.ports.items():
            if chosen.get(name, port) != port:
                self._say(f"  port {port} ({name}) is taken by somebody else: {chosen[name]} now")
        secrets = credentials.complete(self._state.credentials)
        values = environment.application(self._layout, chosen, secrets, wishes, self._extra)
        if not values["EVENT_SINK_URL"]:
            own = [part for part in own if part not in parts.EVENTS]
        self._state = state.State(chosen, secrets, values, own)
        state.save(self._layout, self._state)

    def _launch(self) -> None:
        chosen, secrets = self._state.ports, self._state.credentials
        self._layout.data("sandbox").mkdir(mode=0o700, exist_ok=True)
        for part in self.parts:
            if part in parts.REDIS:
                redis_servers.create_data(self._layout, part, chosen[part], secrets["redis"])
            elif part == "rabbitmq":
                rabbitmq.create_data(self._layout, chosen, secrets["rabbitmq"])
        built = [parts.build(part, self._layout, chosen, fresh=self._fresh) for part in self.parts]
        write_configuration(
            self._layout,
            configuration(self._layout, built, chosen["supervisor"], secrets["supervisor"]),
        )
        self.supervisor.launch(self.environment)

    def _start_servers(self) -> None:
        """All at once, since RabbitMQ takes long; PostgreSQL's set-up runs meanwhile."""
        wanted = self._wanted_of(parts.SERVERS)
        others = [part for part in wanted if part != "postgres"]
        for part in others:
            self.supervisor.start(part)
        if "postgres" in wanted:
            self._start_postgres()
        if self._wanted_of(parts.APPLICATION):
            others = [part for part in others if part != "rabbitmq"]  # awaited when it is needed
        for part in others:
            self.wait_running(part, SERVER_SECONDS)
        if set(environment.LOCK_NODES) <= set(others):
            self._open_lock_nodes()
        if wanted:
            self._say(f"  running: {', '.join(wanted)}")

    def _open_lock_nodes(self) -> None:
        """Let the lock nodes vote at once: all were started empty just now, and no client is left
        from before that could hold a lease on them."""
        urls = self._state.environment["LOCK_REDIS_URLS"].split(",")
        for prefix in (self.environment.get("LOCK_KEY_PREFIX", "soldonce"), environment.TEST_VHOST):
            mark_ready(urls, prefix=prefix)

    def _start_postgres(self) -> None:
        port, secrets = self._state.ports["postgres"], self._state.credentials
        postgres.create_data(self._layout, port, secrets["postgres_superuser"])
        self.start_part("postgres")
        postgres.create_database(port, secrets)

    def application_wanted(self) -> list[str]:
        """What a start starts besides the servers."""
        on_request = self._wanted_of(parts.ON_REQUEST) if self._wanted else []
        return [*self._wanted_of(parts.APPLICATION), *on_request]

    def _wanted_of(self, group: Iterable[str]) -> list[str]:
        return [
            part
            for part in group
            if part in self.parts and (self._wanted is None or part in self._wanted)
        ]
