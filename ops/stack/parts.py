"""The parts of a stack as programs of the supervisor."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ops.stack import postgres, programs, rabbitmq, redis_servers
from ops.stack.environment import LOCK_NODES
from ops.stack.errors import StackError
from ops.stack.layout import Layout
from ops.stack.ports import LOOPBACK

REDIS = (*LOCK_NODES, "redis-cache", "redis-gate")
SERVERS = ("epmd", "rabbitmq", *REDIS, "postgres", "sandbox")
WORKER_QUEUES = {
    "worker-payment": "orders.payment",
    "worker-inventory": "orders.inventory",
    "worker-notification": "orders.notification",
    "worker-webhook": "orders.webhook",
    "worker-maintenance": "orders.maintenance",
}
# They run only where EVENT_SINK_URL is set.
EVENTS = ("relay-events", "consumer-sales")
# These tell by a file that they do their work; the others answer over the network.
HEARTBEATS = ("relay", *WORKER_QUEUES, "beat", "keeper")
# A second one, which goes on at once when the first dies. Tests start it where they need it.
STANDBY = ("keeper-2",)
APPLICATION = ("web", "relay", *WORKER_QUEUES, "beat", "keeper", *STANDBY, "flower", *EVENTS)
# They run only where they are asked for by name, as './dev up' does.
ON_REQUEST = ("rehearser",)
ALL = (*SERVERS, *APPLICATION, *ON_REQUEST)
PROGRAM_OF = {
    "postgres": "PostgreSQL",
    "rabbitmq": "RabbitMQ",
    "epmd": "epmd",
    **dict.fromkeys(REDIS, "Redis"),
}
PORT_NAMES = ("supervisor", "postgres", *REDIS, *rabbitmq.PORTS, "sandbox", "web", "flower")
# Set for every process that a stack starts, so that none can be overlooked at the end.
MARK = "STACK_FOLDER"


Group = Literal["servers", "application"]


def group_of(part: str) -> Group:
    """Parts of a group are stopped together, the application before its servers.

    Raises:
        StackError: there is no such part.
    """
    if part in SERVERS:
        return "servers"
    if part in (*APPLICATION, *ON_REQUEST):
        return "application"
    raise StackError(f"There is no part '{part}'. The parts are: {', '.join(ALL)}.")


@dataclass(frozen=True, slots=True)
class Part:
    """One program. ``environment`` is added to the supervisor's, or, for a ``bare`` server, is all.

    ``stop_seconds`` is how long it may take to stop before it is killed with its process group.
    """

    name: str
    command: list[str]
    group: Group
    environment: dict[str, str] = field(default_factory=dict)
    bare: bool = False
    stop_signal: str = "TERM"
    stop_seconds: int = 15
    user: str | None = None


def build(name: str, layout: Layout, ports: Mapping[str, int], *, fresh: bool = False) -> Part:
    """The part of this name with its command line; ``fresh`` when its data are not kept.

    Raises:
        StackError: its program is not installed.
    """
    if name in SERVERS and name != "sandbox":
        return _server(name, layout, ports, fresh)
    command, environment = _application(name, layout, ports)
    return Part(name, command, group_of(name), environment)


def _server(name: str, layout: Layout, ports: Mapping[str, int], fresh: bool) -> Part:
    base = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", MARK: str(layout.folder)}
    program = programs.command(PROGRAM_OF[name])
    if name == "postgres":
        # INT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
        return Part(
            name,
            postgres.command(layout),
            "servers",
            base,
            bare=True,
            stop_signal="INT",
            user=postgres.system_user(),
        )
    if name == "rabbitmq":
        variables = base | rabbitmq.environment(layout, ports)
        # An orderly stop takes it 7 s, which is wasted on data that nobody will read again.
        signal = "KILL" if fresh else "TERM"
        return Part(name, [str(program)], "servers", variables, bare=True, stop_signal=signal)
    if name == "epmd":
        variables = base | rabbitmq.epmd_environment(ports)
        return Part(name, [str(program)], "servers", variables, bare=True)
    command = redis_servers.command(program, layout, name)
    return Part(name, command, "servers", base, bare=True)


def _application(
    name: str, layout: Layout, ports: Mapping[str, int]
) -> tuple[list[str], dict[str, str]]:
    heartbeat = {"HEARTBEAT_FILE": str(layout.data(f"heartbeat-{name}"))}
    if name in WORKER_QUEUES:
        return _worker(name), {"REMAP_SIGTERM": "SIGQUIT", **heartbeat}
    celery = ["python", "-m", "celery", "-A", "config"]
    commands = {
        "sandbox": _granian("asgi", "ops.sandbox.app:app", ports["sandbox"], 1),
        "web": [
            *_granian("wsgi", "config.wsgi:application", ports["web"], 2),
            *(
                "--blocking-threads",
                "8",
                "--respawn-failed-workers",
                "--workers-kill-timeout",
                "10",
            ),
        ],
        "relay": ["python", "manage.py", "relay"],
        "relay-events": ["python", "manage.py", "relay_events"],
        "consumer-sales": ["python", "manage.py", "consume_events", "--group", "sales"],
        "beat": [
            *celery,
            *("beat", "--pidfile=", "--loglevel", "INFO"),
            *("--schedule", str(layout.data("beat-schedule"))),
        ],
        **{name: ["python", "manage.py", "keep_sales"] for name in ("keeper", *STANDBY)},
        "flower": [*celery, "flower"],
        "rehearser": ["python", "-m", "ops.rehearse.rehearser"],
    }
    return commands[name], heartbeat if name in (*HEARTBEATS, *STANDBY) else {}


def _granian(interface: str, target: str, port: int, workers: int) -> list[str]:
    return [
        *("python", "-m", "granian", "--interface", interface, target),
        *("--host", LOOPBACK, "--port", str(port), "--workers", str(workers)),
    ]


def _worker(name: str) -> list[str]:
    label = name.removeprefix("worker-")
    return [
        *("python", "-m", "celery", "-A", "config", "worker"),
        *("-Q", WORKER_QUEUES[name], "-n", f"{label}@%h", "-c", "2"),
        *("--without-mingle", "--without-gossip", "--loglevel", "INFO"),
    ]
