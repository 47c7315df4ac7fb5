"""A lock backend from a specification that one process can hand to another."""

import json
from typing import Any

from tasks.locks.backend import ClosableBackend
from tasks.locks.database import DatabaseLocks
from tasks.locks.redlock import Redlock
from tasks.locks.zookeeper import ZooKeeperLocks
from tests.contract.redis_nodes import PREFIX

MAX_TTL = 2.0
# A store is back after a crash as it was, only later.
STORE_MAX_TTL = 8.0
TIMEOUT = 1.0


def make(specification: str) -> ClosableBackend:
    """A backend with connections of its own."""
    wanted: dict[str, Any] = json.loads(specification)
    common: dict[str, Any] = {"prefix": PREFIX, "max_ttl": wanted["max_ttl"]}
    match wanted["kind"]:
        case "redlock":
            return Redlock(wanted["urls"], node_timeout=0.25, **common)
        case "postgres":
            return DatabaseLocks(wanted["parameters"], timeout=TIMEOUT, **common)
        case "zookeeper":
            return ZooKeeperLocks(wanted["hosts"], timeout=TIMEOUT, **common)
    raise ValueError(f"there is no backend {wanted['kind']}")
