"""What a lock asks of ZooKeeper: nodes in line, and nothing left behind by a failure."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NoNodeError
from kazoo.hosts import collect_hosts

from tasks.locks.limits import CLOCK_ALLOWANCE_SECONDS
from tasks.locks.zookeeper_connection import EnsembleAway, ZooKeeperConnection


class ZooKeeperSession(ZooKeeperConnection):
    """All methods with a deadline raise EnsembleAway, and kazoo's errors for what the ensemble
    refuses."""

    _birth: int | None
    # Folder and beginning of the name of nodes that nobody wants, but that may exist.
    _doubtful: set[tuple[str, str]]

    def __init__(self, hosts: Sequence[str], *, root: str, shortest: float) -> None:
        """``root``: the folder of all nodes. ``shortest``: seconds that a session must outlive its
        last sign of life, else the ensemble would free leases before their end."""
        if not any(hosts):
            raise ValueError("There is no ZooKeeper server. Name at least one, better three.")
        collect_hosts(",".join(hosts))
        # The servers may round it, so what they made of it is looked at with every attempt.
        super().__init__(",".join(hosts), shortest + CLOCK_ALLOWANCE_SECONDS)
        self.root = root
        self._shortest = shortest

    def line_up(
        self, folder: str, mark: str, content: bytes, deadline: float
    ) -> tuple[str, Any, list[str]]:
        """Create an ephemeral sequential node; its path, its stat, and all names in its folder as
        they were when it had been created. Nothing is left behind by a failure."""
        try:
            return self._line_up(folder, mark, content, deadline)
        except NoNodeError:
            self._birth = None
            self.result(self._ready(deadline).ensure_path_async(folder), deadline)
            return self._line_up(folder, mark, content, deadline)

    def token(self, zxid: int, deadline: float) -> int:
        """The transaction's number, counted from the moment in µs at which the root was made.

        So numbers keep rising when an ensemble is set up anew, and compare with the tokens of the
        other backends, which are clock readings in µs.
        """
        birth = self._birth
        if birth is None:
            root = self.result(self._ready(deadline).exists_async(self.root), deadline)
            if root is None:
                raise EnsembleAway(f"{self.root} was removed")
            birth = self._birth = int(root.ctime * 1000 - root.czxid)
        return birth + zxid

    def read(self, path: str, deadline: float) -> tuple[bytes, Any]:
        """A node's content and stat."""
        content, stat = self.result(self._ready(deadline).get_async(path), deadline)
        return content, stat

    def first_in_line(self, limit: int, deadline: float) -> list[tuple[str, bytes, Any]]:
        """Path, content and stat of whoever stands first for each key, of at most ``limit`` keys.

        Whatever goes while it is being read is left out."""
        client = self._ready(deadline)
        try:
            folders = self.result(client.get_children_async(self.root), deadline)
        except NoNodeError:
            return []
        first: dict[str, str] = {}
        # All are asked before the first answer is read: one round trip, not one for each folder.
        asked = [(f, client.get_children_async(f"{self.root}/{f}")) for f in sorted(folders)]
        for folder, listed in asked:
            names = self.result(listed, deadline)
            # The number at the end has ten digits, so it sorts; the key's hash is in front.
            for name in sorted(names, key=lambda name: name.rsplit("-", 1)[1]):
                first.setdefault(name.split("-", 1)[0], f"{self.root}/{folder}/{name}")
        found = []
        reads = [(path, client.get_async(path)) for path in list(first.values())[:limit]]
        for path, read in reads:
            with suppress(NoNodeError):
                found.append((path, *self.result(read, deadline)))
        return found

    def write(self, path: str, content: bytes, deadline: float) -> None:
        """Replace a node's content; worth a wait for the connection."""
        client = self.usable(deadline, patient=True)
        self.result(client.set_async(path, content), deadline)

    def remove_version(self, path: str, version: int, deadline: float) -> None:
        """Remove a node unless it was written after this version."""
        self.result(self._ready(deadline).delete_async(path, version), deadline)

    def remove(self, path: str, deadline: float) -> None:
        """Remove a node of ours."""
        self.result(self._ask_to_remove(self._ready(deadline), path), deadline)

    def drop(self, path: str) -> None:
        """Remove a node of ours without waiting."""
        if self._client is not None:
            self._ask_to_remove(self._client, path)

    def _ask_to_remove(self, client: KazooClient, path: str) -> Any:
        def note(removed: Any) -> None:
            if isinstance(removed.exception, ConnectionLoss):
                folder, name = path.rsplit("/", 1)
                self._doubtful.add((folder, name))

        asked = client.delete_async(path)
        asked.rawlink(note)
        return asked

    def forget_session(self) -> None:
        super().forget_session()
        self._doubtful = set()
        self._birth = None

    def _ready(self, deadline: float) -> KazooClient:
        client = self.usable(deadline)
        if self._doubtful:
            self._remove_doubtful(client)
        return client

    def _line_up(
        self, folder: str, mark: str, content: bytes, deadline: float
    ) -> tuple[str, Any, list[str]]:
        client = self._ready(deadline)
        made = client.create_async(
            f"{folder}/{mark}", content, ephemeral=True, sequence=True, include_data=True
        )
        # Sent at once, answered in order: the list knows everything that came before our node.
        listed = client.get_children_async(folder)
        try:
            path, stat = self.result(made, deadline)
            names = self.result(listed, deadline)
            if self.session_seconds < self._shortest:
                raise EnsembleAway(
                    f"it ends sessions after {self.session_seconds:g} s, before a lease of "
                    f"{self._shortest:g} s: raise its maxSessionTimeout or lower LOCK_TTL_SECONDS"
                )
        except BaseException:
            made.rawlink(lambda late: self._disown(client, late, folder, mark))
            raise
        return path, stat, names

    def _disown(self, client: KazooClient, made: Any, folder: str, mark: str) -> None:
        """Remove a node that nobody wants, now that its fate is known."""
        if made.successful():
            client.delete_async(made.value[0])
        elif isinstance(made.exception, ConnectionLoss):
            self._doubtful.add((folder, mark))

    def _remove_doubtful(self, client: KazooClient) -> None:
        doubtful, self._doubtful = self._doubtful, set()
        for folder, mark in doubtful:

            def remove(listed: Any, folder: str = folder, mark: str = mark) -> None:
                if not listed.successful():
                    self._doubtful.add((folder, mark))
                    return
                for name in listed.value:
                    if name.startswith(mark):
                        client.delete_async(f"{folder}/{name}")

            client.get_children_async(folder).rawlink(remove)
