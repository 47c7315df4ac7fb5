"""The gate's scripts over one connection for each thread, without a pool and what belongs to it.

A crowd's click is one call, and the call's own work in Python is most of what it costs.
"""

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import redis
from django.conf import settings

ANSWER_SECONDS = 0.5
CONNECT_SECONDS = 0.3
_SCRIPTS = files("shop.flash_sales") / "scripts"


class _Own(threading.local):
    connection: Any = None
    made_for: tuple[int, str] = (0, "")


_own = _Own()


@dataclass(frozen=True, slots=True)
class Script:
    """Its text, and the name by which Redis knows it."""

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> "Script":
        # Redis names scripts so; nothing is kept secret by it.
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def run(script: Script, keys: Sequence[str], values: Sequence[object]) -> Any:
    """The answer of a script that may be run twice: a connection that was cut meanwhile is made
    again, once. Raises redis.RedisError."""
    rest = (len(keys), *keys, *values)
    try:
        return _call("EVALSHA", script.digest, *rest)
    except redis.exceptions.NoScriptError:
        # A Redis that was restarted has forgotten it; this teaches it again.
        return _call("EVAL", script.text, *rest)
    except redis.ConnectionError:
        return _call("EVAL", script.text, *rest)


def client() -> "redis.Redis":
    """For everything that a crowd does not do. Raises nothing before it is used."""
    return _client(os.getpid(), settings.GATE_URL)


@cache
def script(name: str) -> Script:
    """One of the gate's, with what all of them share."""
    shared, own = (_SCRIPTS / f"{part}.lua" for part in ("common", name))
    return Script.of(shared.read_text() + own.read_text())


def _call(*words: Any) -> Any:
    wire = _connection()
    # Both close the connection when they fail, so that no answer is ever taken for another's.
    wire.send_packed_command(wire.pack_command(*words), check_health=False)
    return wire.read_response()


def _connection() -> Any:
    """redis-py's own; what its stubs call a connection lacks the two calls above."""
    # The process id is part of it: a connection inherited over fork would be shared.
    wanted = os.getpid(), settings.GATE_URL
    if _own.connection is None or _own.made_for != wanted:
        pool = _client(*wanted).connection_pool
        # Of the pool's making, but not counted by it: it allows a hundred in all, and never hears
        # of the end of a thread.
        _own.connection = pool.connection_class(**pool.connection_kwargs)
        _own.made_for = wanted
    return _own.connection


@lru_cache(maxsize=1)
def _client(_pid: int, url: str) -> "redis.Redis":
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
    )
