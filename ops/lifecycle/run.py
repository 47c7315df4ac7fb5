"""Many programs, one after the other, in one database."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from django.db import connection
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import FlakyFailure
from hypothesis.strategies import SearchStrategy

from ops.lifecycle.bank import Ledgers, ModelBank
from ops.lifecycle.errors import Broken
from ops.lifecycle.oracle import check
from ops.lifecycle.program import Program, programs
from ops.lifecycle.settling import settle
from ops.lifecycle.stage import Stage
from ops.lifecycle.world import World
from orders.services.audit import audit
from orders.services.audit_faults import TOLD

AUDITED_EVERY = 150


class Runner:
    """``counts`` says what happened, so that runs do not pass because nothing did."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.stage = Stage()
        self._played: list[tuple[World, ModelBank]] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        """Everything that a run needs; the connection is given back as it was."""
        logging.disable(logging.CRITICAL)
        try:
            with self.stage.open():
                yield
        finally:
            logging.disable(logging.NOTSET)

    def play(self, program: Program) -> None:
        """One run, from the first order to its rest. Raises Broken with all that happened."""
        bank = ModelBank(self.stage.pause)
        world = World(self.stage, bank, program)
        with patch("orders.gateways.chosen._gateway", lambda *_: bank):
            try:
                world.play()
                settle(world)
                check(world)
            except Broken as broken:
                # What it has left behind is not the next one's fault.
                self._empty()
                raise Broken(f"{broken}\n{_told(world)}") from broken
        self.counts["sequences"] += 1
        self.counts["actions"] += sum(len(step.acts) for step in program.steps)
        self._played.append((world, bank))
        if len(self._played) >= AUDITED_EVERY:
            self.audit()

    def audit(self) -> None:
        """The application's own audit over all that was played since the last one. Raises Broken
        with what happened to each order that it complains of."""
        report = audit(settled=True, gateway=Ledgers([bank for _, bank in self._played]))
        complaints = [one for one in report.differences if one.kind.promise != TOLD]
        if complaints:
            shown = "\n".join(str(one) for one in complaints[:10])
            orders = {one.order_id for one in complaints}
            worlds = [world for world, _ in self._played if orders & set(world.orders)]
            self._empty()
            told = "\n".join(f"{world.program}\n{_told(world)}" for world in worlds[:3])
            raise Broken(f"The audit says:\n{shown}\n{told}")
        self.counts["audits"] += 1
        self._empty()

    def _empty(self) -> None:
        names = [name for name in connection.introspection.table_names() if _is_ours(name)]
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE")
        self._played.clear()

    def explore(
        self,
        sequences: int,
        *,
        first_seed: int,
        shrink: bool = True,
        among: SearchStrategy[Program] | None = None,
    ) -> None:
        """So many programs (``among`` these, or any), as hypothesis draws them; the smallest that
        breaks is raised, without ``shrink`` the first. Raises Broken."""

        @seed(first_seed)
        @settings(
            max_examples=sequences,
            deadline=None,
            database=None,
            phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )
        @given(programs() if among is None else among)
        def every_program_keeps_the_promise(program: Program) -> None:
            self.play(program)

        try:
            every_program_keeps_the_promise()
        except FlakyFailure as failure:
            # It broke once and not when it was played again: a race that PostgreSQL decided.
            raise failure.exceptions[0] from failure
        self.audit()


def _told(world: World) -> str:
    return "What happened:\n  " + "\n  ".join(world.history)


def _is_ours(table: str) -> bool:
    return table.startswith(("orders_", "tasks_"))
