"""The environment in which the application's processes run."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ops.stack.credentials import SERVER_USER, STAFF_USER
from ops.stack.given import OWN, REPLACES, Given
from ops.stack.layout import Layout
from ops.stack.ports import LOOPBACK

LOCK_NODES = ("redis-lock-1", "redis-lock-2", "redis-lock-3")
# Tests that run tasks in their own process use a virtual host of their own, or they would eat the
# messages of the application that runs beside them. The same word prefixes their lock keys.
TEST_VHOST = "inprocess"


def application(
    layout: Layout,
    ports: Mapping[str, int],
    credentials: Mapping[str, str],
    given: Given,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """All variables of config/settings.py that differ in this stack, then Flower's; extra wins."""
    values = {**_site(layout, ports, credentials), **_servers(ports, credentials)}
    own = [name for name in REPLACES if name not in given.urls]
    if "BROKER_URL" in given.urls:
        values["EVENT_SINK_URL"] = ""  # there is no stream of our own
    if "STRIPE_API_KEY" in given.urls:
        values["STRIPE_API_BASE"] = values["STRIPE_WEBHOOK_SECRET"] = ""
    values |= given.urls
    # An invented crowd comes, and servers are killed: nothing of that may be anybody else's.
    values["REHEARSALS"] = "0" if given.urls else "1"
    values["TEST_BROKER_URL"] = with_path(values["BROKER_URL"], f"/{TEST_VHOST}")
    values["TEST_BROKER_API_URL"] = values["BROKER_API_URL"]
    values["FLOWER_BROKER_API"] = values["BROKER_API_URL"].rstrip("/") + "/"
    return {**values, OWN: ",".join(own), **extra}


def _site(layout: Layout, ports: Mapping[str, int], secrets: Mapping[str, str]) -> dict[str, str]:
    mail = {} if os.environ.get("EMAIL_HOST") else {"MAIL_DIR": str(layout.data("mail"))}
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": secrets["secret_key"],
        "PROOF_KEY": secrets["proof"],
        "ALLOWED_HOSTS": f"{LOOPBACK},localhost",
        "SITE_URL": http(ports["web"]),
        "CSRF_TRUSTED_ORIGINS": http(ports["web"]),
        "STATIC_ROOT": str(layout.data("static")),
        "PROMETHEUS_MULTIPROC_DIR": str(layout.metrics),
        "SANDBOX_STORE": str(layout.data("sandbox") / "ledger.sqlite3"),
        "SANDBOX_WEBHOOK_URL": f"{http(ports['web'])}/webhooks/payments/",
        "SANDBOX_WEBHOOK_SECRET": secrets["webhooks"],
        "FLOWER_URL": http(ports["flower"]),
        "FLOWER_ADDRESS": LOOPBACK,
        "FLOWER_PORT": str(ports["flower"]),
        "FLOWER_BASIC_AUTH": f"{STAFF_USER}:{secrets['flower']}",
        "FLOWER_COOKIE_SECRET": secrets["flower_cookie"],
        **mail,
    }


def _servers(ports: Mapping[str, int], secrets: Mapping[str, str]) -> dict[str, str]:
    user = f"{SERVER_USER}:{secrets['rabbitmq']}@{LOOPBACK}"
    return {
        "DATABASE_URL": f"postgres://{SERVER_USER}:{secrets['postgres']}@{LOOPBACK}"
        f":{ports['postgres']}/{SERVER_USER}",
        "BROKER_URL": f"amqp://{user}:{ports['rabbitmq']}//",
        "BROKER_API_URL": f"http://{user}:{ports['rabbitmq-api']}/api",
        "EVENT_SINK_URL": f"rabbitmq-stream://{user}:{ports['rabbitmq-stream']}/orders.events",
        "LOCK_REDIS_URLS": ",".join(redis_url(ports[node], secrets) for node in LOCK_NODES),
        "CACHE_URL": redis_url(ports["redis-cache"], secrets),
        "GATE_URL": redis_url(ports["redis-gate"], secrets),
        "STRIPE_API_KEY": secrets["stripe"],
        "STRIPE_WEBHOOK_SECRET": secrets["webhooks"],
        "STRIPE_API_BASE": http(ports["sandbox"]),
    }


def redis_url(port: int, secrets: Mapping[str, str]) -> str:
    return f"redis://:{secrets['redis']}@{LOOPBACK}:{port}/0"


def with_path(url: str, path: str) -> str:
    """The same server, another virtual host or database."""
    return urlsplit(url)._replace(path=path).geturl()


def http(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def for_process(values: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment with the stack's values on top and this Python first in the path."""
    here = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        **values,
        "PATH": path if path.split(os.pathsep)[0] == here else f"{here}{os.pathsep}{path}",
    }
