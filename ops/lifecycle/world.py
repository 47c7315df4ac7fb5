"""One run: orders, a bank, leases on paper, and everything that a program does to them."""

from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from ops.lifecycle.at_the_shop import CARD
from ops.lifecycle.bank import ModelBank
from ops.lifecycle.catalogue import ACTIONS
from ops.lifecycle.errors import Broken
from ops.lifecycle.leases import PaperLeases
from ops.lifecycle.messages import Messages
from ops.lifecycle.program import Program, Step
from ops.lifecycle.roads import ROADS
from ops.lifecycle.stage import Stage
from orders.errors import OrderError
from orders.models import Order
from orders.services.placement import Address, LineRequest, PlaceOrder, place_order
from orders.services.shelf import receive_stock

PRICE_CENTS = 1_000
_ADDRESS = Address("Ada Ahrens", "1 Quay Street", "", "28195", "Bremen", "DE")
_numbers = count(1)


class World:
    """``history`` tells what happened, one line each, for whoever must understand a failure."""

    def __init__(self, stage: Stage, bank: ModelBank, program: Program) -> None:
        self.stage = stage
        self.bank = bank
        self.program = program
        self.history: list[str] = []
        self.orders: list[int] = []
        self.messages = Messages(PaperLeases())
        self._keys: dict[str, list[UUID]] = {}
        name = next(_numbers)
        self.skus = [f"L{name}-{n}" for n in range(len(program.quantities))]

    def play(self) -> None:
        """All steps of the program, after the first order was placed. Raises Broken."""
        for sku, quantity in zip(self.skus, self.program.quantities, strict=True):
            receive_stock(sku, quantity + self.program.spare, "for the check")
        self._alone("place", lambda: self.place(self.key("place", again=False)))
        mood, names = ROADS[self.program.road]
        self.bank.moods = [mood]
        for name in names:
            self._alone(name, ACTIONS[name](self, 0, 2))
        self.bank.moods = list(self.program.moods)
        for step in self.program.steps:
            self._step(step)

    # -- what actions ask for -----------------------------------------------------------

    def place(self, key: UUID) -> str:
        lines = tuple(
            LineRequest(sku, f"Thing {sku}", PRICE_CENTS, quantity)
            for sku, quantity in zip(self.skus, self.program.quantities, strict=True)
        )
        order = place_order(PlaceOrder(key, "ada@example.com", _ADDRESS, lines, CARD, "EUR"))
        if order.pk not in self.orders:
            self.orders.append(order.pk)
        return order.number

    def order_id(self, which: int) -> int:
        return self.orders[which % len(self.orders)]

    def order(self, which: int) -> Order:
        return Order.objects.get(pk=self.order_id(which))

    def key(self, kind: str, *, again: bool) -> UUID:
        """A form's key: a new one, or the one that was sent last."""
        keys = self._keys.setdefault(kind, [])
        if not (again and keys):
            keys.append(uuid4())
        return keys[-1]

    # -- acting -------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        jobs: dict[str, Callable[[], Any]] = {
            f"{number} {act.what}": ACTIONS[act.what](self, act.which, act.how)
            for number, act in enumerate(step.acts)
        }
        if len(jobs) == 1:
            for name, job in jobs.items():
                self._alone(name, job)
            return
        for actor in self.stage.together(jobs, step.turns):
            self._judge(actor.name, actor.outcome, actor.error)

    def _alone(self, name: str, job: Callable[[], Any]) -> None:
        outcome, error = None, None
        try:
            outcome = job()
        except Exception as raised:  # noqa: BLE001 - judged below
            error = raised
        self._judge(name, outcome, error)

    def _judge(self, name: str, outcome: Any, error: Exception | None) -> None:
        """A refusal in the shop's own words is an answer; anything else is a defect."""
        if error is None:
            self.history.append(f"{name}: {outcome}")
        else:
            self.history.append(f"{name}: {type(error).__name__}: {error}")
            if not isinstance(error, OrderError):
                raise Broken(f"{name} raised {type(error).__name__}: {error}") from error
