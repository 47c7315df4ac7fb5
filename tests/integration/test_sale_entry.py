"""Everyone who clicks gets one answer, under their own key, whatever is lost meanwhile."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import LazySettings
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from shop.flash_sales import local_answers
from shop.flash_sales.entry import answer_click, answer_poll, refuse
from shop.flash_sales.gate import Gate, Word
from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.replies import Reply, Said
from shop.flash_sales.states import OnLostGate, TicketStatus
from shop.flash_sales.tickets import refuse_late_row, return_ticket
from shop.flash_sales.tokens import NO_PLACE, Place, TokenRefused, Why, read_person
from tests.integration.gates import HOUR_MS, facts, now_ms, units
from tests.integration.sales import gated, open_item

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_memories() -> None:
    # The ids of items start anew with each test.
    local_answers._sold_out_until.clear()
    local_answers._away_until.clear()


def click(item: SaleItem, person: str, place: Place = NO_PLACE) -> Reply:
    return answer_click(item.sale, item, person, place)


def counted(item: SaleItem) -> tuple[int, int, int]:
    """(free, held, sold), as the database says."""
    item.refresh_from_db()
    return item.free, item.held, item.sold


def test_a_click_becomes_a_ticket_in_the_database() -> None:
    item = open_item(2)
    with gated(item) as gate:
        reply = click(item, "ada")

        ticket = Ticket.objects.get()
        assert (reply.said, reply.nonce) == (Said.TICKET, ticket.nonce)
        assert (ticket.person, ticket.status, ticket.place) == ("ada", TicketStatus.HELD, 1)
        assert gate.grants()[0].written
        assert counted(item) == units(gate) == (1, 1, 0)
        assert click(item, "ada").nonce == ticket.nonce


def test_whoever_gets_no_unit_costs_no_sql() -> None:
    item = open_item(1)
    with gated(item) as gate:
        click(item, "ada")
        with CaptureQueriesContext(connection) as queries:
            waiting = click(item, "bob")
            answer_poll(item.sale, item, "bob", waiting.place)
            gate.change(ends_ms=now_ms() - 1)
            late = click(item, "cem")
            gate.change(starts_ms=now_ms() + HOUR_MS)
            early = click(item, "cem")

    assert [reply.said for reply in (waiting, late, early)] == [
        Said.IN_LINE,
        Said.TOO_LATE,
        Said.TOO_EARLY,
    ]
    assert len(queries) == 0


def test_sold_out_is_remembered_for_milliseconds_and_forgotten_when_units_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item, now = open_item(1), [1_000.0]
    monkeypatch.setattr("shop.flash_sales.local_answers.time.monotonic", lambda: now[0])
    with gated(item) as gate:
        reply = click(item, "ada")
        gate.end_ticket("ada", reply.nonce, sold=True)
        assert click(item, "bob").said == Said.SOLD_OUT
        asked = gate.counts()["sold_out"]
        assert click(item, "cem").said == Said.SOLD_OUT
        assert gate.counts()["sold_out"] == asked

        SaleItem.objects.filter(pk=item.pk).update(units=2)
        gate.change(add_units=1)
        now[0] += 0.1

        assert click(item, "cem").said == Said.TICKET


def test_whoever_shows_a_place_is_told_by_the_gate_itself() -> None:
    item = open_item(1)
    with gated(item) as gate:
        reply = click(item, "ada")
        gate.end_ticket("ada", reply.nonce, sold=True)
        assert click(item, "bob").said == Said.SOLD_OUT
        SaleItem.objects.filter(pk=item.pk).update(units=2)
        gate.change(add_units=1)

        assert click(item, "cem", Place(1)).said == Said.TICKET


def test_a_grant_for_which_the_database_has_no_unit_costs_nobody_their_place() -> None:
    item = open_item(1)
    with gated(item, free=2) as gate:
        click(item, "ada")
        refused = click(item, "bob")

        assert (refused.said, refused.position) == (Said.IN_LINE, 1)
        assert Ticket.objects.count() == 1
        ada = Ticket.objects.get()
        return_ticket(ada, "changed her mind")
        gate.end_ticket("ada", ada.nonce, sold=False)
        again = answer_poll(item.sale, item, "bob", refused.place)

        assert (again.said, again.place.seq) == (Said.TICKET, refused.place.seq)


def test_a_grant_that_the_keeper_took_back_is_not_written_down_late() -> None:
    item = open_item(1)
    with gated(item) as gate:
        grant = gate.click("ada")
        assert refuse_late_row(item, person="ada", nonce=grant.nonce, place=grant.place)

        reply = click(item, "ada")

        # The unit is free again, and Ada is the next in line.
        assert reply.said == Said.TICKET
        assert reply.nonce != grant.nonce
        assert counted(item) == units(gate) == (0, 1, 0)


def test_a_ticket_that_a_new_gate_does_not_know_is_found_and_stays_one() -> None:
    item = open_item(2)
    with gated(item) as gate:
        first = click(item, "ada")
        gate.drop()
        gate.build(facts(free=2), [], {})  # as if built before the row was there

        second = click(item, "ada")

        assert second.nonce == first.nonce
        assert Ticket.objects.filter(status=TicketStatus.HELD).count() == 1
        assert counted(item) == units(gate) == (1, 1, 0)


def test_a_lost_gate_pauses_the_sale_and_keeps_the_place() -> None:
    item = open_item(1)
    with gated(item) as gate:
        click(item, "ada")
        waiting = click(item, "bob")
        gate.drop()

        reply = answer_poll(item.sale, item, "bob", waiting.place)

    assert (reply.said, reply.place) == (Said.PAUSED, waiting.place)
    assert reply.poll_after_ms > 0
    assert Ticket.objects.count() == 1


def test_a_gate_that_is_away_pauses_the_sale_and_is_not_asked_for_each_click(
    settings: LazySettings,
) -> None:
    item = open_item(1)
    settings.GATE_URL = "redis://127.0.0.1:1/0"

    assert click(item, "ada").said == Said.PAUSED
    assert local_answers.is_away(item.pk)
    assert click(item, "ada").said == Said.PAUSED


def test_a_crowd_that_asks_all_the_time_hears_from_a_gate_that_is_back(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, now, there = open_item(1), [1_000.0], settings.GATE_URL
    monkeypatch.setattr("shop.flash_sales.local_answers.time.monotonic", lambda: now[0])
    with gated(item):
        settings.GATE_URL = "redis://127.0.0.1:1/0"
        assert click(item, "ada").said == Said.PAUSED
        settings.GATE_URL = there
        said = []
        for _ in range(3):
            now[0] += 0.1
            said.append(click(item, "ada").said)

    # An answer that was only remembered is not remembered for longer by being given.
    assert said == [Said.PAUSED, Said.PAUSED, Said.TICKET]


def test_without_its_gate_a_sale_that_says_so_goes_on_with_the_database() -> None:
    item = open_item(2, on_lost_gate=OnLostGate.DATABASE)
    Gate(item.sale_id, item.pk).drop()

    said = [click(item, person).said for person in ("ada", "ada", "bob", "cem")]

    assert said == [Said.TICKET, Said.TICKET, Said.TICKET, Said.PAUSED]
    assert counted(item) == (0, 2, 0)


def test_without_its_gate_the_database_gives_each_unit_once_and_each_person_one() -> None:
    item = open_item(5, on_lost_gate=OnLostGate.DATABASE)
    Gate(item.sale_id, item.pk).drop()

    def one(number: int) -> Said:
        try:
            return click(item, f"p{number % 15}").said
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(one, range(30)))

    assert counted(item) == (0, 5, 0)
    assert len(set(Ticket.objects.values_list("person", flat=True))) == 5


def test_a_crowd_at_once_gets_as_many_tickets_as_there_are_units() -> None:
    item = open_item(5)

    def one(number: int) -> Said:
        try:
            return click(item, f"p{number}").said
        finally:
            connections.close_all()

    with gated(item) as gate, ThreadPoolExecutor(8) as crowd:
        said = list(crowd.map(one, range(60)))

        assert (said.count(Said.TICKET), said.count(Said.IN_LINE)) == (5, 55)
        assert counted(item) == units(gate) == (0, 5, 0)


def test_whoever_has_had_their_units_in_the_database_is_refused_whatever_the_gate_says() -> None:
    item = open_item(3)
    with gated(item) as gate:
        reply = click(item, "ada")
        Ticket.objects.update(status=TicketStatus.SOLD)
        SaleItem.objects.filter(pk=item.pk).update(held=0, sold=1)
        gate.drop()
        gate.build(facts(free=2, sold=1), [], {})  # without who has how many

        again = click(item, "ada")

        assert reply.said == Said.TICKET
        assert again.said == Said.LIMIT_REACHED
        assert units(gate) == (2, 0, 1)


def test_a_false_proof_is_refused_with_its_reason_counted_and_logged() -> None:
    item = open_item(1)
    with gated(item) as gate:
        with pytest.raises(TokenRefused) as error:
            read_person("made-up", item.sale_id)
        reply = refuse(item, error.value, address="192.0.2.7")

        assert (reply.said, reply.why) == (Said.REFUSED, Why.FORGED)
        assert gate.counts() == {"forged": 1}
        assert gate.refusals()[0].address == "192.0.2.7"
        assert gate.poll("ada").word == Word.NOT_IN_LINE
