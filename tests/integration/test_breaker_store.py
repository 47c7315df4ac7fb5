"""One breaker, many workers: what they share is a row of PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from tasks.breaker import BreakerPolicy, Status
from tasks.breaker_store import Breaker, breaker_states
from tasks.errors import BreakerOpen
from tests.contract.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 600.0
WORKERS = 8


class Sick(Exception):
    """What a bank says that is in trouble."""


def sick(error: Exception) -> bool | None:
    return {Sick: True, ValueError: False}.get(type(error))


def breaker(**policy: float) -> Breaker:
    given = BreakerPolicy(**{"failures": WORKERS, "open_seconds": LONG, **policy})  # type: ignore[arg-type]  # ints are floats here
    return Breaker("bank.capture", sick=sick, policy=given)


def fail(one: Breaker, error: type[Exception] = Sick) -> None:
    with pytest.raises(error), one.call():
        raise error


def status() -> Status:
    (seen,) = breaker_states()
    return seen.status


def at_once(act: Callable[[], object]) -> list[object]:
    """Eight workers do it at the same moment, each on a connection of its own."""
    together = threading.Barrier(WORKERS)

    def run(_: int) -> object:
        connection.ensure_connection()
        together.wait(timeout=20)
        try:
            return act()
        except BreakerOpen as refused:
            return refused
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(run, range(WORKERS)))


def test_a_healthy_call_writes_nothing() -> None:
    with breaker().call():
        pass

    assert breaker_states() == []


def test_failures_that_eight_workers_meet_at_once_are_all_counted() -> None:
    one = breaker()

    at_once(lambda: fail(one))

    assert status() is Status.OPEN


def test_an_open_breaker_makes_no_call_and_says_when_to_come_back() -> None:
    one = breaker(failures=1)
    fail(one)

    with pytest.raises(BreakerOpen) as refused, breaker().call():
        pytest.fail("the call was made")
    assert LONG - 60 < refused.value.retry_after <= LONG


@pytest.mark.parametrize(("error", "after"), [(ValueError, Status.CLOSED), (OSError, Status.OPEN)])
def test_a_refusal_is_an_answer_and_an_error_of_our_own_says_nothing(
    error: type[Exception], after: Status
) -> None:
    one = breaker(failures=2)

    fail(one)
    fail(one, error)
    fail(one)

    assert status() is after


def test_half_open_lets_one_of_eight_probe_and_its_success_closes() -> None:
    one = breaker(failures=1, open_seconds=0.05, closing_successes=1, probe_seconds=LONG)
    fail(one)
    wait_until(lambda: (states := breaker_states()) != [] and states[0].status is Status.OPEN)
    probing = threading.Semaphore(0)
    all_asked = threading.Barrier(WORKERS)

    def probe() -> str:
        try:
            with one.call():
                probing.release()
                all_asked.wait(timeout=20)  # it lasts until the others were refused
                return "called"
        except BreakerOpen:
            all_asked.wait(timeout=20)
            raise

    threading.Event().wait(0.1)  # the time for which it stays open
    answers = at_once(probe)

    assert answers.count("called") == 1
    assert status() is Status.CLOSED


def test_a_probe_that_fails_opens_it_again() -> None:
    one = breaker(failures=1, open_seconds=0.05)
    fail(one)
    threading.Event().wait(0.1)

    longer = breaker(failures=99)
    fail(longer)

    assert status() is Status.OPEN
    with pytest.raises(BreakerOpen), longer.call():
        pytest.fail("the call was made")


def test_a_store_that_is_away_lets_every_call_through() -> None:
    one = breaker(failures=1)
    fail(one)
    called = []
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tasks_breakerstate RENAME TO away")
    try:
        with one.call():
            called.append(True)
        fail(one)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO tasks_breakerstate")

    assert called == [True]
