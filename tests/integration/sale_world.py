"""A sale of two items with its people, its bank and its clock, for tests that let all act at once.

Ada and Bob are of one household, so that the limit of an address is met too.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from types import SimpleNamespace
from unittest.mock import patch
from uuid import UUID, uuid4

from django.test.utils import override_settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ops.lifecycle.bank import ModelBank
from ops.lifecycle.leases import PaperLeases
from orders.services.placement import PlaceOrder
from orders.services.shelf import receive_stock
from shop.flash_sales import local_answers, selling
from shop.flash_sales.models import FlashSale, SaleItem, Ticket
from shop.flash_sales.rebuilding import build_gates, gate_of
from shop.flash_sales.replies import Reply
from shop.flash_sales.selling import NewItem, NewSale
from shop.flash_sales.states import OnLostGate, TicketStatus
from shop.flash_sales.tokens import NO_PLACE, Place
from tests.integration.sale_stage import pause
from tests.integration.shopping import command, line

HOUR = timedelta(hours=1)
PEOPLE = ("ada", "bob", "cem", "dia", "eve")
_HOUSEHOLD = {"bob": "ada"}
# What a step takes by the clock of the web processes' own memories.
_STEP_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Told:
    """What a click or poll was answered."""

    item_id: int
    person: str
    reply: Reply


@dataclass
class World:
    """``places``: item and person → the place that they show. ``told``: every answer so far."""

    sale_id: int
    item_ids: tuple[int, int]
    bank: ModelBank = field(default_factory=lambda: ModelBank(pause))
    leases: PaperLeases = field(default_factory=PaperLeases)
    places: dict[tuple[int, str], Place] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    seconds: float = 0.0

    def sale(self) -> FlashSale:
        return FlashSale.objects.get(pk=self.sale_id)

    def item(self, which: int) -> SaleItem:
        """As a web process has it: read a moment ago."""
        return SaleItem.objects.select_related("sale").get(pk=self.item_ids[which])

    def items(self) -> list[SaleItem]:
        return [self.item(0), self.item(1)]

    def ticket(self, which: int, person: str, *states: TicketStatus) -> Ticket | None:
        """The newest in one of these states."""
        theirs = Ticket.objects.select_related("order", "item__sale").filter(person=person)
        found = theirs.filter(item=self.item_ids[which], status__in=states)
        return found.order_by("-pk").first()

    def somebody(self, random: Random, states: Sequence[TicketStatus]) -> tuple[int, str] | None:
        """An item and a person with a ticket for it that is in one of these states."""
        theirs = Ticket.objects.filter(item__in=self.item_ids, status__in=states).order_by("pk")
        found = list(theirs.values_list("item_id", "person"))
        if not found:
            return None
        item_id, person = random.choice(found)
        return self.item_ids.index(item_id), person

    def place(self, item_id: int, person: str) -> Place:
        return self.places.get((item_id, person), NO_PLACE)

    def hear(self, item_id: int, person: str, reply: Reply) -> str:
        self.told.append(Told(item_id, person, reply))
        if reply.place.seq:
            self.places[item_id, person] = reply.place
        return f"{reply.said} {reply.place.seq or ''}".strip()

    def build_gates(self) -> None:
        self.drop_gates()
        assert build_gates(self.sale())

    def drop_gates(self) -> None:
        """As FLUSHALL does: everything, at one moment."""
        gates = [gate_of(item) for item in self.items()]
        keys = [key for gate in gates for key in gate._keys]
        gates[0]._call(lambda client: client.delete(*keys))

    def a_step_goes_by(self) -> None:
        self.seconds += _STEP_SECONDS


def home_of(person: str) -> str:
    return f"{_HOUSEHOLD.get(person, person)} Street 1"


def form_key(ticket: Ticket) -> UUID:
    """One for each ticket, as the ticket's page draws it."""
    return UUID(bytes=salted_hmac("test", ticket.nonce).digest()[:16])


def wish(person: str, key: UUID) -> PlaceOrder:
    ordinary = command(line("its ticket's"), key=key)
    address = replace(ordinary.address, line1=home_of(person))
    return replace(ordinary, email=f"{person}@example.com", address=address)


def open_sale(units: tuple[int, int], *, limit: int, on_lost_gate: OnLostGate) -> World:
    """Announced, and begun."""
    name, now = f"race-{uuid4().hex[:10]}", timezone.now()
    new = NewSale(
        name,
        "A race",
        now - HOUR,
        now + HOUR,
        limit_per_person=limit,
        admission_per_second=1_000,
        on_lost_gate=on_lost_gate,
    )
    sale = selling.create_sale(new, actor="test")
    ids = []
    for number, its_units in enumerate(units):
        sku = f"{name}-{number}".upper()
        receive_stock(sku, its_units + 10, "test")
        item = selling.add_item(sale.pk, NewItem(sku, sku, 1_000, its_units), actor="test")
        ids.append(item.pk)
    selling.announce(sale.pk, actor="test")
    return World(sale.pk, (ids[0], ids[1]))


@contextmanager
def living_in(world: World, is_later: Callable[[], bool]) -> Iterator[None]:
    """Its bank and its clocks: nothing that is done depends on how fast the machine is.

    ``is_later``: whether the keeper that asks comes an hour late. A lost gate is built at the next
    look: who is late then is not waited for. Nobody who waits falls asleep.
    """
    began = timezone.now().replace(microsecond=0)
    own = SimpleNamespace(monotonic=lambda: world.seconds)
    looks = SimpleNamespace(now=lambda: began + timedelta(seconds=world.seconds))
    ahead = HOUR.total_seconds()
    grants = SimpleNamespace(
        time=lambda: began.timestamp() + is_later() * ahead,
        monotonic=lambda: world.seconds + is_later() * ahead,
    )
    local_answers._sold_out_until.clear()
    local_answers._away_until.clear()
    logging.disable(logging.CRITICAL)
    try:
        with ExitStack() as stack:
            for target, value in (
                ("orders.gateways.chosen._gateway", lambda *_: world.bank),
                ("shop.flash_sales.local_answers.time", own),
                ("shop.flash_sales.keeper.timezone", looks),
                ("shop.flash_sales.reconciling.time", grants),
                ("shop.flash_sales.keeper.SETTLE_SECONDS", 0.0),
                ("shop.flash_sales.rebuilding.ASLEEP_SECONDS", 3_600),
            ):
                stack.enter_context(patch(target, value))
            stack.enter_context(override_settings(GATE_ASKS_PER_PERSON=0))
            yield
    finally:
        logging.disable(logging.NOTSET)
