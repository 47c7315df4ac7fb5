"""A private RabbitMQ node, with an epmd of its own so that the machine's is never touched."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from ops.stack.credentials import SERVER_USER
from ops.stack.environment import TEST_VHOST
from ops.stack.errors import StackError
from ops.stack.layout import Layout, write_private
from ops.stack.ports import LOOPBACK

VHOSTS = ("/", TEST_VHOST)
PLUGINS = "[rabbitmq_management,rabbitmq_prometheus,rabbitmq_stream].\n"
PORTS = (
    *("rabbitmq", "rabbitmq-api", "rabbitmq-metrics", "rabbitmq-stream"),
    *("rabbitmq-dist", "epmd"),
)


def configuration(ports: Mapping[str, int], definitions: Path) -> str:
    """rabbitmq.conf: every listener on the loopback interface, log to standard output."""
    return f"""\
listeners.tcp.local = {LOOPBACK}:{ports["rabbitmq"]}
management.tcp.ip = {LOOPBACK}
management.tcp.port = {ports["rabbitmq-api"]}
prometheus.tcp.ip = {LOOPBACK}
prometheus.tcp.port = {ports["rabbitmq-metrics"]}
stream.listeners.tcp.local = {LOOPBACK}:{ports["rabbitmq-stream"]}
stream.advertised_host = {LOOPBACK}
stream.advertised_port = {ports["rabbitmq-stream"]}
load_definitions = {definitions}
log.console = true
log.console.level = info
log.file = false
disk_free_limit.absolute = 50MB
"""


def definitions(password: str) -> dict[str, Any]:
    """Our one user and the virtual hosts. With definitions at boot, 'guest' is never created."""
    return {
        "users": [
            {
                "name": SERVER_USER,
                "password_hash": password_hash(password, secrets.token_bytes(4)),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "administrator",
            }
        ],
        "vhosts": [{"name": vhost} for vhost in VHOSTS],
        "permissions": [
            {"user": SERVER_USER, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
            for vhost in VHOSTS
        ],
    }


def password_hash(password: str, salt: bytes) -> str:
    """RabbitMQ's own form: base64 of salt (4 bytes) + SHA-256(salt + password)."""
    digest = hashlib.sha256(salt + password.encode()).digest()
    return base64.b64encode(salt + digest).decode()


def create_vhost(api_url: str, name: str) -> None:
    """On a broker that is not ours: create the virtual host; its creator may use it.

    Raises:
        StackError: the broker refused.
    """
    answer = httpx.put(f"{api_url.rstrip('/')}/vhosts/{name}", json={}, timeout=10)
    if not answer.is_success:
        raise StackError(
            f"RabbitMQ refused the virtual host '{name}' for tests (status {answer.status_code}). "
            "Give BROKER_API_URL a user with the tag 'administrator', or create it there."
        )


def environment(layout: Layout, ports: Mapping[str, int]) -> dict[str, str]:
    """All that the node reads from its environment; the Erlang cookie lives in HOME."""
    folder = layout.data("rabbitmq")
    return {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": "soldonce@localhost",
        "RABBITMQ_DIST_PORT": str(ports["rabbitmq-dist"]),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        # The start script then becomes the Erlang VM instead of keeping a shell above it: the
        # supervisor's signals, and a test's kill -9, reach the broker itself.
        "RUNNING_UNDER_SYSTEMD": "true",
        "ERL_CRASH_DUMP_BYTES": "0",
        **epmd_environment(ports),
    }


def epmd_environment(ports: Mapping[str, int]) -> dict[str, str]:
    return {"ERL_EPMD_PORT": str(ports["epmd"]), "ERL_EPMD_ADDRESS": LOOPBACK}


def create_data(layout: Layout, ports: Mapping[str, int], password: str) -> None:
    folder = layout.data("rabbitmq")
    for path in (folder, folder / "data", folder / "log"):
        path.mkdir(mode=0o700, exist_ok=True)
    described = folder / "definitions.json"
    write_private(described, json.dumps(definitions(password)))
    write_private(folder / "rabbitmq.conf", configuration(ports, described))
    write_private(folder / "enabled_plugins", PLUGINS)
