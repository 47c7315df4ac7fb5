"""Many programs, one after the other, in one database."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from django.db import connection
from hypothesis import HealthCheck, Phase, given, seed, settings

from ops.lifecycle.bank import ModelBank
from ops.lifecycle.errors import Broken
from ops.lifecycle.oracle import check
from ops.lifecycle.program import Program, programs
from ops.lifecycle.settling import settle
from ops.lifecycle.stage import Stage
from ops.lifecycle.world import World

TABLES_EMPTIED_EVERY = 150


class Runner:
    """``counts`` says what happened, so that runs do not pass because nothing did."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.stage = Stage()
        self._since_emptied = 0

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
        if self._since_emptied >= TABLES_EMPTIED_EVERY:
            self.empty()
        self._since_emptied += 1
        bank = ModelBank(self.stage.pause)
        world = World(self.stage, bank, program)
        with patch("orders.gateways.chosen._gateway", lambda *_: bank):
            try:
                world.play()
                settle(world)
                check(world)
            except Broken as broken:
                # What it has left behind is not the next one's fault.
                self._since_emptied = TABLES_EMPTIED_EVERY
                told = "\n  ".join(world.history)
                raise Broken(f"{broken}\nWhat happened:\n  {told}") from broken
        self.counts["sequences"] += 1
        self.counts["actions"] += sum(len(step.acts) for step in program.steps)

    def empty(self) -> None:
        """No rows any more, but the history's of migrations."""
        names = [name for name in connection.introspection.table_names() if _is_ours(name)]
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE")
        self._since_emptied = 0

    def explore(self, sequences: int, *, first_seed: int) -> None:
        """So many programs, as hypothesis draws them; the smallest that breaks is raised."""

        @seed(first_seed)
        @settings(
            max_examples=sequences,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )
        @given(programs())
        def every_program_keeps_the_promise(program: Program) -> None:
            self.play(program)

        every_program_keeps_the_promise()


def _is_ours(table: str) -> bool:
    return table.startswith(("orders_", "tasks_"))
