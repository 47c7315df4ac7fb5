"""Two transitions that meet: two threads, two connections, one order."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch

from django.db import connection, connections
from psycopg2 import errorcodes

from ops.lifecycle.bank import Ledgers, ModelBank
from ops.lifecycle.oracle import check
from ops.lifecycle.program import Program
from ops.lifecycle.settling import settle
from ops.lifecycle.stage import Stage
from ops.lifecycle.world import World
from orders.errors import OrderError
from orders.models import Order
from orders.services.audit import audit
from orders.services.audit_faults import TOLD
from orders.services.audit_scope import Scope
from orders.states import PaymentStatus, RefundStatus
from tasks.errors import TaskError

_LOOK_SECONDS = 0.005
_LONGEST_SECONDS = 10.0
Job = Callable[[], object]


@dataclass
class Meeting:
    """One world, and the two that meet in it. The one who is ``held`` stands still, inside its
    transaction or while the bank answers, until the other one has ended or waits for it."""

    world: World
    bank: ModelBank
    errors: dict[str, Exception] = field(default_factory=dict)
    _held: threading.Event = field(default_factory=threading.Event)
    _other_ended: threading.Event = field(default_factory=threading.Event)
    _holder: threading.Thread | None = None
    _was_held: bool = False

    def together(self, first: Job, second: Job) -> None:
        """At once, from a barrier on."""
        barrier = threading.Barrier(2)

        def from_barrier(job: Job) -> None:
            barrier.wait(_LONGEST_SECONDS)
            job()

        self._run({"first": partial(from_barrier, first), "second": partial(from_barrier, second)})

    def inside(self, first: Job, second: Job) -> None:
        """The second comes while the first is in its transaction, after its first write or lock."""

        def hold(execute: Any, sql: str, *rest: Any) -> Any:
            answer = execute(sql, *rest)
            locks = sql.startswith(("UPDATE", "INSERT")) or "FOR NO KEY UPDATE" in sql
            if locks and connection.in_atomic_block:
                self._hold()
            return answer

        def held() -> None:
            with connection.execute_wrapper(hold):
                first()

        self._one_held(held, second)

    def at_the_bank(self, first: Job, second: Job) -> bool:
        """The second comes while the bank's answer to the first is under way; False when the first
        asked no bank."""

        def pause(where: str) -> None:
            if where == "answer leaves" and threading.current_thread() is self._holder:
                self._hold()

        with patch.object(self.bank, "_pause", pause):
            self._one_held(first, second)
        return self._was_held

    def end(self) -> str:
        """Let everything come to rest, check it, and say what became of the order."""
        settle(self.world)
        check(self.world)
        return " / ".join(_standing(pk) for pk in self.world.orders)

    def _one_held(self, first: Job, second: Job) -> None:
        def other() -> None:
            self._held.wait(_LONGEST_SECONDS)
            second()

        self._run({"first": first, "second": other})

    def _hold(self) -> None:
        if self._was_held:
            return
        self._was_held = True
        self._held.set()
        waited = 0.0
        while not self._other_ended.wait(_LOOK_SECONDS) and not _somebody_waits():
            waited += _LOOK_SECONDS
            assert waited < _LONGEST_SECONDS, "the other one neither ended nor waited"

    def _run(self, jobs: dict[str, Job]) -> None:
        threads = {
            name: threading.Thread(target=self._guarded, args=(name, job))
            for name, job in jobs.items()
        }
        self._holder = threads.get("first")
        for thread in threads.values():
            thread.start()
        for thread in threads.values():
            thread.join(timeout=4 * _LONGEST_SECONDS)
            assert not thread.is_alive(), "somebody hangs"

    def _guarded(self, name: str, job: Job) -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001  # judged in the test's own thread
            self.errors[name] = error
        finally:
            # Whoever waits for a job that never came to its hold, waits no longer.
            (self._held if name == "first" else self._other_ended).set()
            connections.close_all()

    def judge(self) -> None:
        """Raises whatever is no refusal, and every deadlock."""
        for error in self.errors.values():
            cause = error.__cause__ if isinstance(error, OrderError) else error
            if (
                getattr(getattr(cause, "__cause__", None), "pgcode", "")
                == errorcodes.DEADLOCK_DETECTED
            ):
                raise AssertionError("a deadlock") from error
            if not isinstance(error, OrderError | TaskError):
                raise error


def audited(meetings: list[Meeting]) -> None:
    """The application's audit finds nothing about any of their orders."""
    orders = [pk for met in meetings for pk in met.world.orders]
    books = Ledgers([met.bank for met in meetings])
    report = audit(Scope(order_ids=orders), settled=True, gateway=books)
    complaints = [one for one in report.differences if one.kind.promise != TOLD]
    assert not complaints, complaints


@contextmanager
def meeting(quantities: tuple[int, ...] = (2,), spare: int = 0) -> Iterator[Meeting]:
    """A world with one order that was placed a moment ago."""
    bank = ModelBank()
    world = World(Stage(), bank, Program(steps=(), quantities=quantities, spare=spare))
    with patch("orders.gateways.chosen._gateway", lambda *_: bank):
        world.play()
        yield Meeting(world, bank)


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def _standing(order_id: int) -> str:
    order = Order.objects.get(pk=order_id)
    came = sum(p.amount_cents for p in order.payments.filter(status=PaymentStatus.CAPTURED))
    went = sum(r.amount_cents for r in order.refunds.filter(status=RefundStatus.MOVED))
    return f"{order.status} {order.fulfilment} {came - went}"
