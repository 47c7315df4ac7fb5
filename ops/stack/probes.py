"""Does a server answer, and does it let us in? Each probe raises NotReady with the reason."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import kombu
import psycopg2
import redis
from amqp.exceptions import AMQPError

from ops.stack.errors import NotReady, StackError

TIMEOUT_SECONDS = 3
POLL_SECONDS = 0.2
Probe = Callable[[], None]


def postgres(url: str) -> None:
    try:
        psycopg2.connect(url, connect_timeout=TIMEOUT_SECONDS).close()
    except psycopg2.Error as error:
        raise NotReady(_first_line(error)) from None


def redis_server(url: str) -> None:
    client = redis.Redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )
    try:
        client.ping()
    except (redis.RedisError, OSError) as error:
        raise NotReady(_first_line(error)) from None
    finally:
        client.close()


def broker(url: str) -> None:
    with _broker(url) as connection:
        _open(connection)


def queue_has_consumer(url: str, queue: str) -> None:
    """Asked of the queue itself: the management API is seconds behind."""
    with _broker(url) as connection:
        _open(connection)
        channel: Any = connection.default_channel
        try:
            declared = channel.queue_declare(queue, passive=True)
        except (AMQPError, OSError) as error:
            raise NotReady(_first_line(error)) from None
    if not declared.consumer_count:
        raise NotReady(f"nobody consumes from {queue}")


def http(url: str, path: str = "/") -> None:
    """Any answer that is not a failure of the server counts, also a demand for a password."""
    try:
        answer = httpx.get(url.rstrip("/") + path, timeout=TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotReady(_first_line(error) or type(error).__name__) from None
    if answer.is_server_error:
        raise NotReady(f"it answers with status {answer.status_code}")


def broker_api(url: str) -> None:
    try:
        answer = httpx.get(url.rstrip("/") + "/whoami", timeout=TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotReady(_first_line(error) or type(error).__name__) from None
    if answer.status_code != httpx.codes.OK:
        raise NotReady(f"it answers with status {answer.status_code}")


def check_given(urls: Mapping[str, str]) -> None:
    """Try every server that the caller named.

    Raises:
        StackError: one cannot be used; the text names the variable, never the password.
    """
    probes: dict[str, Callable[[str], None]] = {
        "DATABASE_URL": postgres,
        "BROKER_URL": broker,
        "BROKER_API_URL": broker_api,
        "CACHE_URL": redis_server,
        "GATE_URL": redis_server,
        "LOCK_REDIS_URLS": _each_redis,
        "STRIPE_API_BASE": http,
    }
    for name in urls.keys() & probes.keys():
        try:
            probes[name](urls[name])
        except (NotReady, ValueError) as error:
            raise StackError(
                f"The server that {name} names cannot be used: {_scrubbed(error, urls[name])}. "
                f"Start it or correct {name}; unset {name} to let this command start its own."
            ) from None


def until(probe: Probe, seconds: float, still_possible: Probe) -> None:
    """Repeat the probe until it passes.

    Raises:
        NotReady: the last reason, when the time is over.
        StackError: whatever ``still_possible`` raises, as soon as it does.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return probe()
        except NotReady:
            if time.monotonic() > end:
                raise
        still_possible()
        time.sleep(POLL_SECONDS)


def _scrubbed(error: Exception, urls: str) -> str:
    """The reason, unless it quotes the URL or its password, as some client libraries do."""
    reason = str(error).rstrip(".")
    for url in urls.split(","):
        secret = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
        if url in reason or (secret and secret in reason):
            return "it is not a URL of the expected form, or it was refused"
    return reason


def _each_redis(urls: str) -> None:
    for url in urls.split(","):
        redis_server(url.strip())


def _broker(url: str) -> kombu.Connection:
    return kombu.Connection(url, connect_timeout=TIMEOUT_SECONDS)


def _open(connection: kombu.Connection) -> None:
    try:
        connection.connect()
    except (AMQPError, OSError, kombu.exceptions.OperationalError) as error:
        raise NotReady(_first_line(error) or type(error).__name__) from None


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
