"""Setting up the broker: what AMQP declares, and what only the management API can put."""

import json
import urllib.error
import urllib.request
from base64 import b64encode
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

from tasks import topology

_TIMEOUT_SECONDS = 10


class BrokerUnavailable(Exception):
    """RabbitMQ or its management API could not be reached, or refused."""


def declare() -> list[str]:
    """Declare every work and dead queue with its exchange; the names. Raises BrokerUnavailable."""
    names = []
    try:
        with current_app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=3, timeout=_TIMEOUT_SECONDS)
            for name in topology.queue_names():
                for queue in (topology.dead_queue(name), topology.work_queue(name)):
                    queue(connection.default_channel).declare()
                    names.append(queue.name)
    except (OSError, OperationalError) as error:
        raise BrokerUnavailable(
            f"RabbitMQ does not answer at the BROKER_URL ({error}). Is it running?"
        ) from error
    return names


def put_policies() -> list[str]:
    """Put the policies through the management API; their names. Raises BrokerUnavailable."""
    if not settings.BROKER_API_URL:
        raise BrokerUnavailable(
            "BROKER_API_URL is not set, so delivery limit and dead-lettering cannot be put. "
            "Give the management API's address, like http://user:password@host:15672/api/."
        )
    vhost = unquote(urlsplit(settings.BROKER_URL).path.lstrip("/")) or "/"
    for name, policy in topology.policies().items():
        management("PUT", f"policies/{quote(vhost, safe='')}/{quote(name, safe='')}", policy)
    return list(topology.policies())


def management(
    method: str, path: str, body: object = None, *, timeout_seconds: float = _TIMEOUT_SECONDS
) -> Any:
    """One call of RabbitMQ's management API; its JSON answer or None. Raises BrokerUnavailable."""
    parts = urlsplit(settings.BROKER_API_URL)
    credentials = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    request = urllib.request.Request(  # noqa: S310  # settings admit http and https only
        f"{parts.scheme}://{parts.hostname}:{parts.port or 15672}{parts.path.rstrip('/')}/{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={
            "Content-Type": "application/json",
            "Authorization": "Basic " + b64encode(credentials.encode()).decode(),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds) as answer:  # noqa: S310
            text = answer.read()
            return json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        raise BrokerUnavailable(
            f"RabbitMQ's management API refused {path}: {error.code} "
            f"{error.read()[:300].decode(errors='replace')}"
        ) from error
    except OSError as error:
        raise BrokerUnavailable(
            f"RabbitMQ's management API does not answer at BROKER_API_URL ({error})."
        ) from error
