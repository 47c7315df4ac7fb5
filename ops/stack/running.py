"""A stack whose supervisor is running: its addresses, its parts, its application."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from ops.stack import environment, postgres, probes, processes
from ops.stack.credentials import SERVER_USER, STAFF_USER
from ops.stack.errors import NotReady, StackError
from ops.stack.layout import CHECKOUT, Layout
from ops.stack.parts import APPLICATION, MARK, ON_REQUEST
from ops.stack.readiness import Failing, probe_of
from ops.stack.state import State
from ops.stack.supervisor import ENDED, Status, Supervisor

SERVER_SECONDS = 60
APPLICATION_SECONDS = 150
MANAGE_SECONDS = 300
KILL_SECONDS = 10


class RunningStack:
    """What can be done with a stack between its start and its stop, from any process."""

    def __init__(self, layout: Layout, state: State, say: Callable[[str], None]) -> None:
        self._layout = layout
        self._state = state
        self._say = say

    # -- what it is -----------------------------------------------------------

    @property
    def name(self) -> str:
        return self._layout.folder.name

    @property
    def folder(self) -> Path:
        return self._layout.folder

    @property
    def parts(self) -> list[str]:
        """The parts that this stack runs itself; others are given by the caller."""
        return self._state.parts

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment for a subprocess that belongs to the application."""
        return environment.for_process(self._state.environment)

    @property
    def urls(self) -> dict[str, str]:
        """Addresses for people: shop, admin, flower, and rabbitmq and sandbox when private."""
        site, ports = self._state.environment["SITE_URL"], self._state.ports
        urls = {"shop": f"{site}/", "admin": f"{site}/admin/"}
        urls["flower"] = self._state.environment["FLOWER_URL"]
        if "rabbitmq" in self.parts:
            urls["rabbitmq"] = environment.http(ports["rabbitmq-api"])
        if "sandbox" in self.parts:
            urls["sandbox"] = environment.http(ports["sandbox"])
        return urls

    @property
    def staff_login(self) -> tuple[str, str]:
        """User and password of the back office."""
        return STAFF_USER, self._state.credentials["staff"]

    @property
    def flower_login(self) -> tuple[str, str]:
        return STAFF_USER, self._state.credentials["flower"]

    @property
    def rabbitmq_login(self) -> tuple[str, str]:
        return SERVER_USER, self._state.credentials["rabbitmq"]

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(
            self._layout, self._state.ports["supervisor"], self._state.credentials["supervisor"]
        )

    # -- one part -------------------------------------------------------------

    def status(self, part: str) -> Status:
        return self.supervisor.status(part)

    def pid(self, part: str) -> int:
        """The process id of the part's first process; 0 when it does not run."""
        return self.status(part).pid

    def log_path(self, part: str) -> Path:
        return self._layout.log(part)

    def start_part(self, part: str) -> None:
        """Start a part and wait until it does its work."""
        self.supervisor.start(part)
        self.wait_running(part)

    def stop_part(self, part: str) -> None:
        self.supervisor.stop(part)

    def restart_part(self, part: str) -> None:
        self.stop_part(part)
        self.start_part(part)

    def kill_part(self, part: str) -> int:
        """Kill the part's first process as if by ``kill -9``, and wait for its end; its number.

        The supervisor starts the part again; ``wait_running`` waits for that.

        Raises:
            StackError: the part does not run.
        """
        pid = self.pid(part)
        if not processes.is_alive(pid):
            raise StackError(f"{part} does not run, so it cannot be killed. Start it first.")
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + KILL_SECONDS
        while processes.is_alive(pid):
            if time.monotonic() > end:
                raise self._failure(part, f"outlived kill -9 by {KILL_SECONDS} s")
            time.sleep(0.01)
        return pid

    def wait_running(self, part: str, seconds: float = APPLICATION_SECONDS) -> None:
        """Wait until the part runs and does its work: answers, or consumes from its queue.

        Raises:
            StackError: it ended, keeps ending, or was not ready in time; with the end of its log.
        """
        probe, failing = probe_of(part, self._state), Failing()
        supervisor = self.supervisor

        def ready() -> None:
            if not self._runs(supervisor.status(part), probe is not None):
                raise NotReady("it is not running")
            if probe:
                probe()

        def still_possible() -> None:
            status = supervisor.status(part)
            if status.state in ENDED or failing.too_long(status.state):
                raise self._failure(part, f"does not run ({status.state}: {status.detail})")

        try:
            probes.until(ready, seconds, still_possible)
        except NotReady as reason:
            raise self._failure(part, f"was not ready after {seconds:.0f} s: {reason}") from None

    @staticmethod
    def _runs(status: Status, has_probe: bool) -> bool:
        # STARTING lasts one second; a part that already answers need not wait for its end.
        # Just after a kill the supervisor may not have noticed yet.
        states = {"RUNNING", "STARTING"} if has_probe else {"RUNNING"}
        return status.state in states and processes.is_alive(status.pid)

    def _failure(self, part: str, what: str) -> StackError:
        return StackError(
            f"{part} {what}. The end of {self.log_path(part)}:\n{self.supervisor.tail(part)}\n"
            "Repair what the log says and start again."
        )

    def statements_run(self) -> int:
        """How many SQL statements the application has run so far, as its own PostgreSQL counts."""
        return postgres.statements_run(self._state.ports["postgres"], self._state.credentials)

    # -- the application ------------------------------------------------------

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run ``manage.py`` in the stack's environment; at most MANAGE_SECONDS."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MANAGE_SECONDS,
            check=False,
        )

    def start_application(self, which: Iterable[str] = APPLICATION) -> None:
        """Migrate and prepare, start the application's parts, wait until all do their work.

        The shop is opened before the broker is there: it does not need it.
        """
        chosen = set(which)
        known = (*APPLICATION, *ON_REQUEST)
        wanted = [part for part in known if part in chosen and part in self.parts]
        self._wait_for_server("postgres")
        self._prepare()
        if "web" in wanted:
            self.supervisor.start("web")
        self._wait_for_server("rabbitmq")
        self._step("broker set up", self._set_up_broker)
        for part in wanted:
            self.supervisor.start(part)
        for part in wanted:
            self.wait_running(part)
        self._say(f"  running: {', '.join(wanted)}")

    def _wait_for_server(self, part: str) -> None:
        if part in self.parts:
            self.wait_running(part, SERVER_SECONDS)

    def _prepare(self) -> None:
        user, password = self.staff_login
        staff = {
            "DJANGO_SUPERUSER_USERNAME": user,
            "DJANGO_SUPERUSER_PASSWORD": password,
            "DJANGO_SUPERUSER_EMAIL": f"{user}@localhost",
        }
        self._step(
            "database migrated, catalogue loaded",
            partial(self._run, "prepare", ["-m", "ops.stack.prepare"], staff),
        )

    def _set_up_broker(self) -> None:
        self._run("setup_broker", ["manage.py", "setup_broker"], {})

    def _run(self, name: str, arguments: list[str], extra: dict[str, str]) -> None:
        log = self.log_path(name)
        with log.open("w", encoding="utf-8") as output:
            run = subprocess.run(
                [sys.executable, *arguments],
                cwd=CHECKOUT,
                env={**self.environment, **extra, MARK: str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=MANAGE_SECONDS,
                check=False,
            )
        if run.returncode != 0:
            raise self._failure(name, f"failed with exit code {run.returncode}")

    def _step(self, done: str, action: Callable[[], None]) -> None:
        began = time.monotonic()
        action()
        self._say(f"  {done} ({time.monotonic() - began:.1f} s)")
