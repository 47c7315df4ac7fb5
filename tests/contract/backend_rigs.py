"""Each lock backend's servers as one thing that hangs, dies and comes back."""

import json
from abc import ABC, abstractmethod
from contextlib import suppress

from tests.contract.backend_maker import MAX_TTL, STORE_MAX_TTL
from tests.contract.redis_nodes import Nodes
from tests.contract.store_servers import PostgresServer, StoreServer, ZooKeeperServer


class Rig(ABC):
    """``specification`` says how a process makes a backend that uses these servers."""

    specification: str
    max_ttl: float

    @abstractmethod
    def hang(self) -> None:
        """So many servers that nobody can get a lease."""

    @abstractmethod
    def go_on(self) -> None: ...

    @abstractmethod
    def kill(self) -> None:
        """All servers."""

    @abstractmethod
    def restart(self) -> None:
        """All servers, with whatever they remember."""


class RedlockRig(Rig):
    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._majority = nodes[: len(nodes) // 2 + 1]
        self.max_ttl = MAX_TTL
        self.specification = json.dumps(
            {"kind": "redlock", "urls": nodes.urls, "max_ttl": self.max_ttl}
        )

    def hang(self) -> None:
        for node in self._majority:
            node.hang()

    def go_on(self) -> None:
        for node in self._majority:
            with suppress(ProcessLookupError):
                node.go_on()

    def kill(self) -> None:
        for node in self._nodes:
            node.kill()

    def restart(self) -> None:
        for node in self._nodes:
            node.restart_empty()


class StoreRig(Rig):
    def __init__(self, server: StoreServer, kind: str, **options: object) -> None:
        self.server = server
        self.max_ttl = STORE_MAX_TTL
        self.specification = json.dumps({"kind": kind, "max_ttl": self.max_ttl, **options})

    def hang(self) -> None:
        self.server.hang()

    def go_on(self) -> None:
        self.server.go_on()

    def kill(self) -> None:
        self.server.kill()

    def restart(self) -> None:
        self.server.kill()
        self.server.start()


def postgres_rig(server: PostgresServer) -> StoreRig:
    return StoreRig(server, "postgres", parameters=server.parameters)


def zookeeper_rig(server: ZooKeeperServer) -> StoreRig:
    return StoreRig(server, "zookeeper", hosts=server.hosts)
