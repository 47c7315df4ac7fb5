"""What is particular to leases in PostgreSQL."""

import secrets
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import transaction

from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.guard import single_flight
from tasks.locks import lease_rows
from tasks.locks.chosen import forget_backend, get_backend
from tasks.locks.database import DatabaseLocks
from tests.contract.backend_maker import MAX_TTL
from tests.contract.backend_rigs import StoreRig
from tests.contract.store_servers import PostgresServer
from tests.contract.waiting import wait_until

MakeLocks = Callable[..., DatabaseLocks]


@pytest.fixture
def locks(postgres: StoreRig, postgres_server: PostgresServer) -> Iterator[MakeLocks]:
    made: list[DatabaseLocks] = []

    def make(**options: object) -> DatabaseLocks:
        options = {"prefix": uuid4().hex, "max_ttl": MAX_TTL, "timeout": 5.0, **options}
        parameters = {**postgres_server.parameters, **options.pop("parameters", {})}  # type: ignore[dict-item]
        made.append(DatabaseLocks(parameters, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_request_that_arrives_twice_is_answered_twice_the_same(
    postgres: StoreRig, postgres_server: PostgresServer
) -> None:
    asked = {
        "name": uuid4().hex,
        "owner": secrets.token_hex(16),
        "holder": "",
        "ttl": 1.0,
        "lead": 0,
    }
    first = postgres_server.ask(lease_rows.ACQUIRE, asked)
    assert postgres_server.ask(lease_rows.ACQUIRE, asked) == first
    ((none, left),) = postgres_server.ask(lease_rows.ACQUIRE, {**asked, "owner": "somebody"})
    assert none is None
    assert 0 < float(str(left)) <= 1.0


def test_a_lost_connection_is_not_a_lost_lease(
    locks: MakeLocks, postgres_server: PostgresServer
) -> None:
    one = locks()
    lease = one.acquire("order:1", ttl=MAX_TTL)
    postgres_server.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    lease = one.extend(lease)
    assert one.release(lease) is True


def test_a_grant_is_on_disk_whatever_the_servers_default(
    locks: MakeLocks, postgres_server: PostgresServer
) -> None:
    postgres_server.ask("ALTER ROLE postgres SET synchronous_commit = off")
    try:
        one = locks()
        lease = one.acquire("order:1", ttl=MAX_TTL)
        with one._entered(5.0) as deadline:
            assert one._session.run("SHOW synchronous_commit", {}, deadline) == [("on",)]
        # A release says nothing for certain and waits for no disk; the next statement does again.
        assert one.release(lease) is True
        with one._entered(5.0) as deadline:
            assert one._session.run("SHOW synchronous_commit", {}, deadline) == [("on",)]
    finally:
        postgres_server.ask("ALTER ROLE postgres RESET synchronous_commit")


def test_two_who_saw_it_free_are_told_apart_whatever_the_servers_default(
    locks: MakeLocks, postgres_server: PostgresServer
) -> None:
    postgres_server.ask("ALTER ROLE postgres SET default_transaction_isolation = 'serializable'")
    try:
        one = locks()
        with one._entered(5.0) as deadline:
            rows = one._session.run("SHOW transaction_isolation", {}, deadline)
        assert rows == [("read committed",)]
    finally:
        postgres_server.ask("ALTER ROLE postgres RESET default_transaction_isolation")


def test_a_clock_that_was_set_back_blocks_a_key_for_no_longer_than_a_ttl(
    locks: MakeLocks, postgres_server: PostgresServer
) -> None:
    one = locks(prefix="setback", max_ttl=0.5)
    one.acquire("order:1", ttl=0.5)
    postgres_server.ask(
        "UPDATE tasks_lockfence SET expires_at = now() + interval '1 hour'"
        " WHERE name = 'setback:order:1'"
    )
    with pytest.raises(LeaseBusy) as busy:
        one.acquire("order:1", ttl=0.5)
    assert busy.value.retry_after <= 0.5
    with single_flight("order:1", ttl=0.5, wait=3.0, backend=one):
        assert True


def test_a_token_is_larger_than_the_stored_one_when_the_clock_was_set_back(
    locks: MakeLocks, postgres_server: PostgresServer
) -> None:
    one = locks(prefix="ahead")
    lease = one.acquire("order:1", ttl=MAX_TTL)
    one.release(lease)
    ahead = lease.token + 3_600_000_000
    postgres_server.ask(
        "UPDATE tasks_lockfence SET token = %s WHERE name = 'ahead:order:1'", [ahead]
    )
    assert one.acquire("order:1", ttl=MAX_TTL).token == ahead + 1


def test_rows_go_after_the_retention(locks: MakeLocks, postgres_server: PostgresServer) -> None:
    one = locks(prefix="swept", retention=0.2)
    for turn in range(200):
        one.release(one.acquire(f"order:{turn}", ttl=MAX_TTL))
    held = one.acquire("held", ttl=MAX_TTL)
    time.sleep(0.3)
    one.release(one.acquire("last", ttl=MAX_TTL))
    left = postgres_server.ask("SELECT name FROM tasks_lockfence WHERE starts_with(name, 'swept:')")
    assert sorted(left) == [("swept:held",), ("swept:last",)]
    assert one.release(held) is True


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"password": "surely-wrong"}, "password authentication failed"),
        ({"dbname": "nowhere"}, 'database "nowhere" does not exist'),
        ({"options": "-c search_path=pg_catalog"}, "run manage.py migrate"),
        ({"options": "-c default_transaction_read_only=on"}, "read-only"),
        ({"port": 9}, "Connection refused"),
    ],
)
def test_a_database_that_cannot_be_used_says_why(
    locks: MakeLocks, parameters: dict[str, str], message: str
) -> None:
    with pytest.raises(QuorumUnavailable, match=message) as refused:
        locks(parameters=parameters).acquire("order:1", ttl=1.0)
    assert "surely-wrong" not in str(refused.value)


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_no_part_of_the_applications_transactions(settings: LazySettings) -> None:
    settings.LOCK_BACKEND = "postgres"
    forget_backend()
    try:
        with single_flight("order:1") as held:
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                inner = get_backend().acquire("order:2", ttl=5.0)
                raise ZeroDivisionError
            with pytest.raises(LeaseBusy):
                get_backend().acquire("order:2", ttl=5.0)
            assert get_backend().release(inner) is True
            held.ensure()
    finally:
        forget_backend()


def test_an_outage_leaves_nothing_to_give_back_but_what_was_asked_for(
    locks: MakeLocks, postgres_server: PostgresServer
) -> None:
    one = locks(timeout=0.2)
    wait_until(lambda: _works(one))
    postgres_server.kill()
    for _ in range(50):
        with pytest.raises(QuorumUnavailable):
            one.acquire("order:1", ttl=1.0)
    assert len(one._doubtful) <= 1
    postgres_server.start()
    wait_until(lambda: _works(one))
    assert one._doubtful == {}


def _works(one: DatabaseLocks) -> bool:
    try:
        return one.release(one.acquire("order:1", ttl=1.0))
    except QuorumUnavailable:
        return False


def test_live_leases_are_listed_and_one_is_taken_away(locks: MakeLocks) -> None:
    alice, bob = locks(prefix="seen"), locks(prefix="seen")
    lease = alice.acquire("order:1", ttl=MAX_TTL, holder='["büro"]')
    alice.release(alice.acquire("order:2", ttl=MAX_TTL))
    (seen,) = bob.leases()
    assert (seen.key, seen.nonce, seen.token) == ("order:1", lease.nonce, lease.token)
    assert (seen.holder, seen.nodes) == ('["büro"]', ())
    assert 0 < seen.remaining_seconds <= MAX_TTL
    assert bob.force_release("order:1", "f" * 32) is False
    assert bob.force_release("order:1", lease.nonce) is True
    with pytest.raises(LeaseLost):
        alice.extend(lease)
    assert bob.leases() == []
