"""Setting up the broker: what AMQP declares, and what only the management API can put."""

import json
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

from tasks import topology
from tasks.broker_state import Difference, Kind, Trouble, differences, found, wanted

_TIMEOUT_SECONDS = 10


class BrokerUnavailable(Exception):
    """RabbitMQ or its management API could not be reached, or refused."""


def declare(without: Collection[str] = ()) -> list[str]:
    """Declare every work and dead queue with its exchange; the names. Raises BrokerUnavailable.

    ``without``: queues to leave alone, because they are there in another form.
    """
    names = []
    try:
        with current_app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=3, timeout=_TIMEOUT_SECONDS)
            for name in topology.queue_names():
                for queue in (topology.dead_queue(name), topology.work_queue(name)):
                    if queue.name not in without:
                        queue(connection.default_channel).declare()
                        names.append(queue.name)
    except (OSError, OperationalError) as error:
        raise BrokerUnavailable(
            f"RabbitMQ does not answer at the BROKER_URL ({error}). Is it running?"
        ) from error
    return names


def put_policies() -> list[str]:
    """Put the policies through the management API; their names. Raises BrokerUnavailable."""
    for name, policy in topology.policies().items():
        management("PUT", f"policies/{_vhost()}/{quote(name, safe='')}", policy)
    return list(topology.policies())


def compare() -> list[Difference]:
    """What differs between the code and the broker. Raises BrokerUnavailable."""
    lists = [
        management("GET", f"{kind}/{_vhost()}")
        for kind in ("exchanges", "queues", "bindings", "policies")
    ]
    return differences(wanted(), found(*lists))


@dataclass(frozen=True, slots=True)
class SetUp:
    """What a set-up has done. ``left`` can only be mended by a person."""

    made: list[Difference]
    left: list[Difference]


def set_up() -> SetUp:
    """Create and change what can be created and changed. Raises BrokerUnavailable."""
    before = compare()
    fixed = [one for one in before if one.kind in (Kind.EXCHANGE, Kind.QUEUE)]
    declare(without=[one.name for one in fixed if one.trouble is Trouble.DIFFERENT])
    put_policies()
    left = compare()
    still = {(one.kind, one.name) for one in left}
    return SetUp([one for one in before if (one.kind, one.name) not in still], left)


def _vhost() -> str:
    return quote(unquote(urlsplit(settings.BROKER_URL).path.lstrip("/")) or "/", safe="")


def management(
    method: str, path: str, body: object = None, *, timeout_seconds: float = _TIMEOUT_SECONDS
) -> Any:
    """One call of RabbitMQ's management API; its JSON answer or None. Raises BrokerUnavailable."""
    if not settings.BROKER_API_URL:
        raise BrokerUnavailable(
            "BROKER_API_URL is not set, so policies can be neither seen nor put. "
            "Give the management API's address, like http://user:password@host:15672/api/."
        )
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
