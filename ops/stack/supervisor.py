"""supervisord: its configuration, its start, and its XML-RPC interface."""

import http.client
import os
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ops.stack.errors import StackError
from ops.stack.layout import CHECKOUT, Layout, write_private
from ops.stack.parts import MARK, Part, group_of
from ops.stack.ports import LOOPBACK

USER = "stack"
RPC_TIMEOUT_SECONDS = 60
# States that the supervisor does not leave by itself. (EXITED it does, a moment later.)
ENDED = {"STOPPED", "FATAL", "UNKNOWN"}


@dataclass(frozen=True, slots=True)
class Status:
    """``pid`` is 0 when the part does not run; ``detail`` is the supervisor's own remark."""

    state: str
    pid: int
    detail: str


def configuration(layout: Layout, parts: Iterable[Part], port: int, password: str) -> str:
    """supervisord.conf. Nothing starts by itself; what was started is started again for ever.

    A server that is stopped together with the application would leave its clients in the dark, so
    there are two groups: the supervisor stops the one of higher priority number first and waits.
    """
    built = list(parts)
    root = ["user=root"] if os.geteuid() == 0 else []
    sections = {
        "supervisord": [
            f"logfile={layout.log('supervisord')}",
            *("logfile_maxbytes=5MB", "logfile_backups=1"),
            f"pidfile={layout.pidfile}",
            *root,
        ],
        "inet_http_server": [
            f"port={LOOPBACK}:{port}",
            *(f"username={USER}", f"password={password}"),
        ],
        "rpcinterface:supervisor": [
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface"
        ],
    }
    sections["eventlistener:reaper"] = [
        "command=python -m ops.stack.reaper",
        "events=PROCESS_STATE_EXITED",
        f"stderr_logfile={layout.log('reaper')}",
        "stderr_logfile_maxbytes=1MB",
    ]
    for part in built:
        sections[f"program:{part.name}"] = _program(layout, part)
    for priority, group in ((10, "servers"), (20, "application")):
        members = [part.name for part in built if part.group == group]
        if members:
            sections[f"group:{group}"] = [f"programs={','.join(members)}", f"priority={priority}"]
    return "\n\n".join("\n".join([f"[{name}]", *lines]) for name, lines in sections.items()) + "\n"


def _program(layout: Layout, part: Part) -> list[str]:
    variables = [f"{name}={value}" for name, value in part.environment.items()]
    prefix = ["/usr/bin/env", *(["-i"] if part.bare else []), *variables] if variables else []
    command = shlex.join([*prefix, *part.command]).replace("%", "%%")
    lines = [
        f"command={command}",
        *("autostart=false", "autorestart=true", "startsecs=1", "startretries=1000"),
        f"stopsignal={part.stop_signal}",
        f"stopwaitsecs={part.stop_seconds}",
        # The signal goes to the parent alone, which winds its children down in order; only what
        # has not ended in time is killed with all its group.
        *("stopasgroup=false", "killasgroup=true"),
        "redirect_stderr=true",
        f"stdout_logfile={layout.log(part.name)}",
        *("stdout_logfile_maxbytes=10MB", "stdout_logfile_backups=2"),
    ]
    return [*lines, f"user={part.user}"] if part.user else lines


class _Transport(xmlrpc.client.Transport):
    """A connection for each call: one kept open would outlive a restart of the supervisor."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().request(*args, **kwargs)
        finally:
            self.close()

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = RPC_TIMEOUT_SECONDS
        return connection


class Supervisor:
    """A running supervisord, or one about to be launched."""

    def __init__(self, layout: Layout, port: int, password: str) -> None:
        self._layout = layout
        url = f"http://{USER}:{password}@{LOOPBACK}:{port}/RPC2"
        self._rpc: Any = cast(
            Any, xmlrpc.client.ServerProxy(url, transport=_Transport(), allow_none=True)
        ).supervisor

    def launch(self, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """Start supervisord in a session of its own, away from the terminal's signals.

        Raises:
            StackError: it did not come up within 15 seconds.
        """
        with self._layout.log("supervisord.out").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", self._layout.conf],
                cwd=CHECKOUT,
                env={**environment, MARK: str(self._layout.folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + 15
        while not self.answers():
            if process.poll() is not None or time.monotonic() > end:
                raise StackError(
                    f"supervisord did not start.\n{self.tail('supervisord.out')}\n"
                    "Repair what it complains about and start again."
                )
            time.sleep(0.05)
        return process

    def answers(self) -> bool:
        try:
            self._rpc.getState()
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False
        return True

    def start(self, part: str) -> None:
        """Ask for a start, without waiting for it. A part that runs already is left alone."""
        self._ask(self._rpc.startProcess, part, wanted="ALREADY_STARTED", wait=False)

    def stop(self, part: str, *, wait: bool = True) -> None:
        self._ask(self._rpc.stopProcess, part, wanted="NOT_RUNNING", wait=wait)

    def status(self, part: str) -> Status:
        info = self._rpc.getProcessInfo(self._full(part))
        return Status(info["statename"], info["pid"], info["description"] or info["spawnerr"])

    def tail(self, part: str, lines: int = 20) -> str:
        try:
            text = self._layout.log(part).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return "(it wrote no log)"
        return "\n".join(_cut(line) for line in text.splitlines()[-lines:]) or "(its log is empty)"

    def _full(self, part: str) -> str:
        return f"{group_of(part)}:{part}"

    def _ask(self, method: Any, part: str, *, wanted: str, wait: bool) -> None:
        try:
            method(self._full(part), wait)
        except xmlrpc.client.Fault as fault:
            if not fault.faultString.startswith(wanted):
                raise StackError(
                    f"The supervisor refused: {fault.faultString}.\n{self.tail(part)}\n"
                    "Repair what the log says and start again."
                ) from None


def _cut(line: str) -> str:
    """A structured log line can carry a whole traceback, whose end tells most."""
    return line if len(line) <= 600 else f"{line[:200]} … {line[-400:]}"


def write_configuration(layout: Layout, text: str) -> None:
    """Private, because it holds the password of the supervisor's interface."""
    write_private(layout.conf, text)
