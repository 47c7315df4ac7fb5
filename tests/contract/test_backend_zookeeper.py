"""What is particular to leases in ZooKeeper."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from kazoo.client import KazooClient

from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.guard import single_flight
from tasks.locks.zookeeper import ZooKeeperLocks
from tasks.models import LockRelease
from tests.contract.backend_maker import MAX_TTL
from tests.contract.backend_rigs import StoreRig
from tests.contract.store_servers import ZooKeeperServer
from tests.contract.waiting import wait_until

MakeLocks = Callable[..., ZooKeeperLocks]


@pytest.fixture
def locks(zookeeper: StoreRig, zookeeper_server: ZooKeeperServer) -> Iterator[MakeLocks]:
    made: list[ZooKeeperLocks] = []

    def make(**options: object) -> ZooKeeperLocks:
        options = {"prefix": uuid4().hex, "max_ttl": MAX_TTL, "timeout": 5.0, **options}
        made.append(ZooKeeperLocks(zookeeper_server.hosts, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def plain(zookeeper: StoreRig, zookeeper_server: ZooKeeperServer) -> Iterator[KazooClient]:
    client = KazooClient(zookeeper_server.hosts[0])
    client.start(timeout=10)
    yield client
    client.stop()
    client.close()


def _nodes(plain: KazooClient, prefix: str) -> list[str]:
    root = f"/{prefix}-locks"
    return [name for folder in plain.get_children(root) for name in
            plain.get_children(f"{root}/{folder}")]  # fmt: skip


def test_an_expired_session_loses_its_leases(
    locks: MakeLocks, zookeeper_server: ZooKeeperServer
) -> None:
    alice, bob = locks(prefix="expired"), locks(prefix="expired")
    lease = alice.acquire("order:1", ttl=MAX_TTL)
    # Whoever closes a session ends it for all who use it.
    thief = KazooClient(zookeeper_server.hosts[0], client_id=alice._session._client.client_id)
    thief.start(timeout=10)
    thief.stop()
    thief.close()
    with single_flight("order:1", ttl=MAX_TTL, wait=1.0, backend=bob) as held:
        assert held.token > lease.token
        with pytest.raises(LeaseLost):
            alice.extend(lease)
        assert alice.release(lease) is False
        wait_until(lambda: _is_busy(alice, "order:1"))
        held.ensure()


def test_leases_are_listed_with_their_holders_and_can_be_taken_away(locks: MakeLocks) -> None:
    alice, admin = locks(prefix="listed"), locks(prefix="listed")
    assert admin.leases() == []
    first = alice.acquire("order:2", ttl=MAX_TTL, holder="büro 1")
    second = alice.extend(alice.acquire("order:1", ttl=MAX_TTL, holder="worker 7"))
    brief = alice.acquire("order:3", ttl=0.3)
    assert _is_busy(admin, "order:1")
    wait_until(lambda: time.monotonic() > brief.valid_until + 0.1)

    one, two = admin.leases()

    assert (one.key, one.token, one.holder) == ("order:1", second.token, "worker 7")
    assert second.nonce.endswith(f"-{one.nonce}")
    assert len(one.nonce) <= (LockRelease._meta.get_field("nonce").max_length or 0)
    assert (two.key, two.token, two.holder) == ("order:2", first.token, "büro 1")
    assert 0 < two.remaining_seconds <= MAX_TTL
    assert len(admin.leases(limit=1)) == 1
    assert admin.force_release("order:2", one.nonce) is False, "another key's"
    assert admin.force_release("order:1", one.nonce) is True
    assert admin.force_release("order:1", one.nonce) is False
    with pytest.raises(LeaseLost):
        alice.extend(second)
    assert [seen.key for seen in admin.leases()] == ["order:2"]


def _is_busy(one: ZooKeeperLocks, key: str) -> bool:
    try:
        one.release(one.acquire(key, ttl=1.0))
    except LeaseBusy:
        return True
    except QuorumUnavailable:
        return False
    return False


def test_the_token_is_the_nodes_transaction(locks: MakeLocks, plain: KazooClient) -> None:
    one = locks(prefix="token")
    lease = one.acquire("order:1", ttl=MAX_TTL)
    root = plain.exists("/token-locks")
    node = plain.exists(lease.nonce)
    assert lease.token - root.ctime * 1000 == node.czxid - root.czxid
    assert one.release(lease)


def test_tokens_rise_when_the_ensemble_is_set_up_anew(locks: MakeLocks, plain: KazooClient) -> None:
    before = locks(prefix="anew")
    lease = before.acquire("order:1", ttl=MAX_TTL)
    before.release(lease)
    plain.delete("/anew-locks", recursive=True)
    time.sleep(0.002)
    assert locks(prefix="anew").acquire("order:1", ttl=MAX_TTL).token > lease.token


def test_nothing_stays_behind(locks: MakeLocks, plain: KazooClient) -> None:
    one = locks(prefix="tidy")
    held = one.acquire("held", ttl=MAX_TTL)
    for turn in range(50):
        one.release(one.acquire(f"order:{turn}", ttl=1.0))
        held = one.extend(held)
        with pytest.raises(LeaseBusy):
            one.acquire("held", ttl=1.0)
    assert one.release(held) is True
    wait_until(lambda: _nodes(plain, "tidy") == [])


def test_a_session_shorter_than_a_lease_is_refused(locks: MakeLocks) -> None:
    one = locks(max_ttl=100.0)
    with pytest.raises(QuorumUnavailable, match="raise its maxSessionTimeout"):
        one.acquire("order:1", ttl=1.0)


def test_an_ensemble_without_servers_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no ZooKeeper server"):
        ZooKeeperLocks([], prefix="x", max_ttl=1.0, timeout=1.0)


class MuteFirst(threading.Thread):
    """Takes the first connection and says nothing on it; passes the later ones on."""

    def __init__(self, target: str) -> None:
        super().__init__(daemon=True)
        host, _, port = target.partition(":")
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = [self._listener]
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            self._open.append(self._listener.accept()[0])
            while True:
                ends = self._listener.accept()[0], socket.create_connection(self._target)
                self._open += ends
                for here, there in (ends, ends[::-1]):
                    threading.Thread(target=self._pass_on, args=(here, there), daemon=True).start()

    def _pass_on(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(4096):
                there.sendall(data)

    def close(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.join(timeout=5)


def test_a_server_that_is_mute_when_greeted_is_not_waited_for(
    zookeeper: StoreRig, zookeeper_server: ZooKeeperServer
) -> None:
    mute = MuteFirst(zookeeper_server.hosts[0])
    locks = ZooKeeperLocks([mute.place], prefix=uuid4().hex, max_ttl=60.0, timeout=5.0)
    began_at = time.monotonic()

    def granted() -> bool:
        try:
            return locks.release(locks.acquire("order:1", ttl=1.0))
        except QuorumUnavailable:
            return False

    wait_until(granted, seconds=30)  # kazoo alone would wait for a session: more than a minute
    assert time.monotonic() - began_at >= 0.5, "the first connection was not mute"
    locks.close()
    mute.close()
