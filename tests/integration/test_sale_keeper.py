"""What time does to a sale, and what a lost gate comes back with."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.models.functions import Now

from orders.models import Order, SetAside
from orders.services.cancellation import cancel_order
from orders.states import OrderStatus
from shop.flash_sales import keeper as keeping
from shop.flash_sales import selling, tickets
from shop.flash_sales.dropping import drop_old_gates
from shop.flash_sales.errors import NotAllowed
from shop.flash_sales.expiring import expire_unused, follow_ended
from shop.flash_sales.gate import Gate, Word
from shop.flash_sales.keeper import Keeper
from shop.flash_sales.models import FlashSale, SaleItem, SaleSample, Ticket
from shop.flash_sales.ordering import order_with_ticket
from shop.flash_sales.rebuilding import build_gates, gate_of
from shop.flash_sales.reconciling import difference
from shop.flash_sales.states import SaleStatus, TicketStatus
from tests.contract.waiting import wait_until
from tests.integration.gates import facts
from tests.integration.keeping import again, announced, checkout, counts, drafted, ticket_for
from tests.integration.shopping import units

pytestmark = pytest.mark.django_db
# Others than the test itself look at the tables.
SEEN_BY_OTHERS = pytest.mark.django_db(transaction=True)
ANNA = "staff anna"


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    """One that builds a lost gate at its next look."""
    monkeypatch.setattr(keeping, "SETTLE_SECONDS", 0.0)
    yield Keeper()
    for item in SaleItem.objects.all():
        gate_of(item).drop()


def gate_units(item: SaleItem) -> tuple[int, int, int]:
    facts = gate_of(item).facts()
    return int(facts["free"]), int(facts["held"]), int(facts["sold"])


def let_through(item: SaleItem, person: str) -> Ticket:
    """As a web process does it: click, write, tell."""
    gate = gate_of(item)
    answer = gate.click(person)
    assert answer.word == Word.TICKET, answer
    ticket = tickets.write_ticket(item, person=person, nonce=answer.nonce, place=answer.place)
    assert gate.written(person, answer.nonce)
    return ticket


def events(item: SaleItem) -> list[str]:
    return [event.kind for event in item.sale.timeline.all()]


def same(item: SaleItem) -> bool:
    return counts(item) == gate_units(item) and difference(item).units == 0


def test_a_sale_opens_when_the_keeper_has_built_its_gate(keeper: Keeper) -> None:
    item = announced(2)
    assert gate_of(item).click("ann").word == Word.LOST

    keeper.keep_once()

    let_through(item, "ann")
    assert same(item)
    assert counts(item) == (1, 1, 0)


def test_an_expired_ticket_is_in_another_hand_at_the_next_look(keeper: Keeper) -> None:
    item = announced(1)
    keeper.keep_once()
    ticket = let_through(item, "ann")
    assert gate_of(item).click("bob").word == Word.IN_LINE
    Ticket.objects.filter(pk=ticket.pk).update(held_until=Now())

    keeper.keep_once()

    assert gate_of(item).poll("bob").word == Word.TICKET
    assert Ticket.objects.get(pk=ticket.pk).status == TicketStatus.EXPIRED


def test_a_unit_is_free_at_the_gate_without_waiting_for_a_look_at_the_gates(
    keeper: Keeper,
) -> None:
    item = announced(2)
    keeper.keep_once()
    ticket, cancelled = (let_through(item, name) for name in ("ann", "bob"))
    order = order_with_ticket(cancelled, checkout("bob"))
    Ticket.objects.filter(pk=ticket.pk).update(held_until=Now())
    cancel_order(order.pk, actor="test", reason="changed his mind")

    assert expire_unused() + follow_ended() == 2

    assert gate_units(item) == counts(item) == (2, 0, 0)


def test_a_gate_that_is_away_does_not_keep_tickets_from_their_end(
    keeper: Keeper, settings: LazySettings
) -> None:
    item = announced(3)
    keeper.keep_once()
    for name in ("ann", "bob", "cem"):
        let_through(item, name)
    Ticket.objects.update(held_until=Now())
    there = settings.GATE_URL
    settings.GATE_URL = "redis://127.0.0.1:9/0"

    assert expire_unused() == 3

    settings.GATE_URL = there
    keeper.keep_once()
    assert same(item)


def test_a_ticket_follows_its_order_and_a_declined_one_ends_with_its_time(keeper: Keeper) -> None:
    item = announced(2)
    keeper.keep_once()
    bought, declined = (let_through(item, name) for name in ("ann", "bob"))
    paid = order_with_ticket(bought, checkout("ann", house="1"))
    failed = order_with_ticket(declined, checkout("bob", house="2"))
    Order.objects.filter(pk=paid.pk).update(status=OrderStatus.PAID, paid_at=Now())
    Order.objects.filter(pk=failed.pk).update(status=OrderStatus.PAYMENT_FAILED)

    keeper.keep_once()
    assert (counts(item), same(item)) == ((0, 1, 1), True)

    Ticket.objects.filter(pk=declined.pk).update(held_until=Now())
    Order.objects.filter(pk=failed.pk).update(hold_expires_at=Now())
    keeper.keep_once()

    assert (counts(item), same(item)) == ((1, 0, 1), True)
    assert Order.objects.get(pk=failed.pk).status == OrderStatus.EXPIRED
    assert SetAside.objects.get().left == 1


def test_the_keeper_goes_on_with_tickets_while_the_gates_redis_is_away(
    keeper: Keeper, settings: LazySettings
) -> None:
    item = announced(1)
    keeper.keep_once()
    ticket = let_through(item, "ann")
    Ticket.objects.filter(pk=ticket.pk).update(held_until=Now())
    there = settings.GATE_URL
    settings.GATE_URL = "redis://127.0.0.1:9/0"

    keeper.keep_once()
    keeper.keep_once()

    assert counts(item) == (1, 0, 0)
    assert events(item).count("gate_away") == 1
    settings.GATE_URL = there
    keeper.keep_once()
    assert same(item)


def test_a_grant_whose_process_died_is_given_back(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = announced(1)
    keeper.keep_once()
    granted = gate_of(item).click("ann")
    gate_of(item).click("bob")

    keeper.keep_once()
    assert gate_units(item) == (0, 1, 0)

    monkeypatch.setattr("shop.flash_sales.reconciling.GRANT_SECONDS", -1)
    keeper.keep_once()
    monkeypatch.undo()

    assert gate_of(item).poll("bob").word == Word.TICKET
    assert not tickets.refuse_late_row(item, person="ann", nonce=granted.nonce, place=granted.place)


def test_a_gate_that_was_lost_comes_back_with_tickets_limits_and_far_places(
    keeper: Keeper,
) -> None:
    item = announced(2)
    keeper.keep_once()
    let_through(item, "ann")
    order_with_ticket(Ticket.objects.get(), checkout("ann"))
    let_through(item, "bob")
    place = gate_of(item).click("cem").place
    keeper.keep_once()
    gate_of(item).drop()
    assert gate_of(item).click("dan").word == Word.LOST

    keeper.keep_once()

    assert same(item)
    assert gate_of(item).click("bob").word == Word.HAS_TICKET
    assert gate_of(item).click("dan").place > 1_000_000
    assert gate_of(item).click("cem", place=place).before == 0
    assert events(item).count("gate_lost") == 1
    assert events(item).count("gate_built") == 2


def test_a_ticket_written_while_the_gate_was_lost_is_learnt(keeper: Keeper) -> None:
    item = announced(2)
    keeper.keep_once()
    ticket_for(item, "ann")
    assert gate_units(item) == (2, 0, 0)
    assert difference(item).units == 1

    keeper.keep_once()

    assert same(item)
    assert gate_of(item).poll("ann").word == Word.HAS_TICKET


def test_of_two_that_build_a_gate_at_once_one_does(keeper: Keeper) -> None:
    item = announced(2)
    sale, twin = (FlashSale.objects.get(pk=item.sale_id) for _ in range(2))

    assert [build_gates(sale), build_gates(twin)] == [True, False]


def test_what_staff_changes_reaches_the_gate_at_the_next_look(keeper: Keeper) -> None:
    item = announced(2)
    keeper.keep_once()
    selling.pause(item.sale_id, "the till is broken", actor=ANNA)
    selling.add_units(item.pk, 3, seen_units=2, actor=ANNA)
    keeper.keep_once()
    assert gate_of(item).click("ann").word == Word.PAUSED
    assert gate_units(item) == counts(item) == (5, 0, 0)

    selling.resume(item.sale_id, actor=ANNA)
    keeper.keep_once()

    let_through(item, "ann")
    assert events(item)[-2:] == ["units_added", "resumed"]


def test_a_form_that_is_sent_twice_adds_units_once() -> None:
    item = announced(2)
    selling.add_units(item.pk, 3, seen_units=2, actor=ANNA)

    with pytest.raises(NotAllowed, match="other than 2 units"):
        selling.add_units(item.pk, 3, seen_units=2, actor=ANNA)
    assert (again(item).units, units("VASE")) == (5, (10, 5))


def test_more_than_the_shelf_has_is_refused_and_changes_nothing() -> None:
    item = announced(2)

    with pytest.raises(NotAllowed, match="only 8 are free"):
        selling.add_units(item.pk, 9, seen_units=2, actor=ANNA)
    assert (again(item).units, units("VASE")) == (2, (10, 2))


def test_an_end_gives_free_units_back_at_once_and_held_ones_with_their_ticket(
    keeper: Keeper,
) -> None:
    item = announced(3)
    keeper.keep_once()
    ticket = let_through(item, "ann")

    assert selling.end(item.sale_id, actor=ANNA)
    assert not selling.end(item.sale_id, actor=ANNA)
    assert units("VASE") == (10, 1)
    keeper.keep_once()
    assert gate_of(item).click("bob").word == Word.TOO_LATE
    assert gate_of(item).poll("ann").word == Word.HAS_TICKET

    Ticket.objects.filter(pk=ticket.pk).update(held_until=Now())
    keeper.keep_once()
    keeper.keep_once()

    assert units("VASE") == (10, 0)
    assert SetAside.objects.get().closed_at is not None


def test_the_gate_of_a_sale_that_ended_a_day_ago_is_dropped_once(keeper: Keeper) -> None:
    item = announced(3)
    keeper.keep_once()
    selling.end(item.sale_id, actor=ANNA)
    keeper.keep_once()
    assert drop_old_gates(actor="keeper") == 0
    FlashSale.objects.update(ended_at=Now() - timedelta(days=1, minutes=1))

    assert [drop_old_gates(actor="keeper") for _ in range(2)] == [1, 0]

    keeper.keep_once()
    assert gate_of(item).facts() == {}
    assert events(item)[-1] == "gate_dropped"


def test_the_gate_of_an_old_sale_stays_while_somebody_has_a_ticket(keeper: Keeper) -> None:
    item = announced(3)
    keeper.keep_once()
    let_through(item, "ann")
    selling.end(item.sale_id, actor=ANNA)
    FlashSale.objects.update(ended_at=Now() - timedelta(days=2))

    assert drop_old_gates(actor="keeper") == 0
    assert gate_of(item).poll("ann").word == Word.HAS_TICKET


def test_two_differences_that_make_up_for_each_other_are_found_later(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = announced(2)
    keeper.keep_once()
    let_through(item, "ann")
    keeper.keep_once()
    # One that the gate does not know of, and one of which it does not know the end.
    Ticket.objects.filter(person="ann").update(status=TicketStatus.RETURNED)
    SaleItem.objects.update(held=0)
    ticket_for(item, "bob")
    keeper.keep_once()
    assert gate_of(item).poll("bob").word == Word.NOT_IN_LINE

    monkeypatch.setattr("shop.flash_sales.reconciling.COMPARE_SECONDS", 0.0)
    keeper.keep_once()

    assert gate_of(item).poll("bob").word == Word.HAS_TICKET
    assert same(item)


def test_a_sale_ends_by_itself(keeper: Keeper) -> None:
    item = announced(3)
    FlashSale.objects.update(ends_at=Now())

    keeper.keep_once()

    assert again(item).sale.status == SaleStatus.ENDED
    assert units("VASE") == (10, 0)


def test_a_sale_is_drafted_announced_and_ended_and_nothing_else() -> None:
    item = drafted(2)
    with pytest.raises(NotAllowed):
        selling.pause(item.sale_id, "early", actor=ANNA)
    assert [selling.announce(item.sale_id, actor=ANNA) for _ in range(2)] == [True, False]
    assert selling.end(item.sale_id, actor=ANNA)
    with pytest.raises(NotAllowed):
        selling.resume(item.sale_id, actor=ANNA)
    assert events(item) == ["created", "item_added", "announced", "ended", "units_back"]


def test_the_keeper_writes_down_each_second_of_a_running_sale(keeper: Keeper) -> None:
    item = announced(2)
    drafted(1, sku="POT")

    keeper.keep_once()

    assert {sample.sale_id for sample in SaleSample.objects.all()} == {item.sale_id}


@SEEN_BY_OTHERS
def test_a_second_keeper_waits_for_the_first() -> None:
    assert Keeper()._is_single()

    def tries() -> bool:
        try:
            return Keeper()._is_single()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as beside:
        assert not beside.submit(tries).result(timeout=10)
        connections.close_all()
        assert beside.submit(tries).result(timeout=10)


@SEEN_BY_OTHERS
def test_a_running_keeper_opens_a_sale_lets_the_line_go_on_and_stops_when_told() -> None:
    item = announced(1)
    keeper = Keeper()

    def run() -> None:
        try:
            keeper.run()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(run)
        try:
            wait_until(lambda: bool(gate_of(item).facts()), seconds=20)
            ticket = let_through(item, "ann")
            assert gate_of(item).click("bob").word == Word.IN_LINE
            Ticket.objects.filter(pk=ticket.pk).update(held_until=Now())
            wait_until(lambda: gate_of(item).poll("bob").word == Word.TICKET, seconds=10)
        finally:
            keeper.stop()
        running.result(timeout=10)
    gate_of(item).drop()


def test_staff_can_have_a_gate_built_again() -> None:
    item = announced(2)

    call_command("keep_sales", rebuild=item.sale.slug)

    assert gate_units(item) == counts(item)
    assert events(item)[-1] == "gate_built"
    gate_of(item).drop()
    with pytest.raises(CommandError, match="no sale 'roses'"):
        call_command("keep_sales", rebuild="roses")


def test_a_ticket_written_while_its_gate_is_built_counts_once_against_the_limit(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = announced(3, limit_per_person=2)
    keeper.keep_once()
    real = Gate.build

    def build_late(gate: Gate, *facts: Any) -> None:
        let_through(item, "ann")
        real(gate, *facts)

    with monkeypatch.context() as patch:
        patch.setattr(Gate, "build", build_late)
        assert build_gates(again(item).sale)
    keeper.keep_once()
    ticket = Ticket.objects.get()
    order_with_ticket(ticket, checkout("ann"))
    Order.objects.update(status=OrderStatus.PAID, paid_at=Now())
    keeper.keep_once()

    assert gate_of(item).click("ann").word == Word.TICKET


def test_a_gate_that_is_built_leaves_what_people_have_of_other_items(keeper: Keeper) -> None:
    item = announced(1, limit_per_person=2)
    other = Gate(item.sale_id, item.pk + 1)
    other.build(facts(free=1, limit=2), [], {})
    granted = other.click("ann")

    keeper.keep_once()
    other.end_ticket("ann", granted.nonce, sold=False)
    assert gate_of(item).click("ann").word == Word.TICKET
    assert other.click("ann").word == Word.TICKET
    assert other.click("bob").word == Word.IN_LINE
    other.drop()
