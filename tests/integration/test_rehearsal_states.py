"""A rehearsal from the request to the verdict: taken once, left alone by nobody for long."""

import threading

import pytest
from django.conf import LazySettings
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from shop.flash_sales import rehearsing, selling
from shop.flash_sales.errors import NotAllowed, RehearsalUnderWay
from shop.flash_sales.keeper import Keeper
from shop.flash_sales.models import FlashSale, Rehearsal
from shop.flash_sales.rehearsal_limits import (
    NO_SIGN_OF_LIFE,
    NOBODY_TOOK_IT,
    fail_overdue,
    tidy_rehearsals,
)
from shop.flash_sales.rehearsing import Outcome
from shop.flash_sales.states import SaleStatus
from tests.integration.back_office_sales import draft_sale, open_sale
from tests.integration.rehearsals import MINUTE, SMALL, asked, let_pass, reread, running, shadow_of
from tests.integration.shopping import units

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _private_stack(settings: LazySettings) -> None:
    settings.REHEARSALS = True


# -- asking -----------------------------------------------------------------------


def test_a_rehearsal_is_asked_for_and_stands_on_the_timeline_of_its_sale() -> None:
    sale = draft_sale().sale

    rehearsal = rehearsing.ask(sale.pk, SMALL, actor="staff anna")

    assert (rehearsal.status, rehearsal.units, rehearsal.crowd) == ("asked", 10, 60)
    event = sale.timeline.get(kind="rehearsal_asked")
    assert (event.actor, event.text[-22:]) == ("staff anna", ": 10 units, 60 people.")


def test_no_crowd_is_sent_to_a_real_bank(settings: LazySettings) -> None:
    settings.STRIPE_API_BASE = ""

    with pytest.raises(NotAllowed, match="real bank"):
        asked()
    assert not Rehearsal.objects.exists()


def test_where_nobody_rehearses_it_is_refused_with_the_place_where_it_can_be_done(
    settings: LazySettings,
) -> None:
    settings.REHEARSALS = False

    with pytest.raises(NotAllowed, match=r"\./dev up"):
        asked()


def test_a_second_one_is_refused_with_the_first_ones_number_until_that_has_ended() -> None:
    first = running()
    sale = open_sale(sku="OTHER-MUG").sale

    with pytest.raises(RehearsalUnderWay) as told:
        rehearsing.ask(sale.pk, SMALL, actor="staff bert")
    assert told.value.rehearsal_id == first.pk
    rehearsing.finish(first.pk, Outcome())
    assert rehearsing.ask(sale.pk, SMALL, actor="staff bert").status == "asked"


def test_an_ended_sale_and_a_shadow_are_not_rehearsed() -> None:
    rehearsal = running()
    shadow = shadow_of(rehearsal).sale
    rehearsing.finish(rehearsal.pk, Outcome())
    selling.end(rehearsal.like_id, actor="test")

    for sale_id in (shadow.pk, rehearsal.like_id):
        with pytest.raises(NotAllowed, match="has not ended, and is no rehearsal"):
            rehearsing.ask(sale_id, SMALL, actor="staff anna")


def test_shares_of_more_than_everybody_are_refused_by_the_database() -> None:
    sale = draft_sale().sale

    with pytest.raises(IntegrityError, match="shares_within_all"), transaction.atomic():
        Rehearsal.objects.create(like=sale, declines_percent=50, abandon_percent=50, bots_percent=1)


# -- taking it ----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_two_that_take_it_at_the_same_moment_one_has_it() -> None:
    rehearsal = asked()
    start = threading.Barrier(2)
    taken: list[Rehearsal | None] = []

    def take() -> None:
        start.wait(10)
        taken.append(rehearsing.claim_next())
        connections.close_all()

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert [one.pk for one in taken if one is not None] == [rehearsal.pk]
    assert len(taken) == 2
    assert reread(rehearsal).status == "running"


def test_one_that_waits_beside_one_that_runs_is_not_taken() -> None:
    first = running()
    # As by two requests that saw nothing of each other.
    second = Rehearsal.objects.create(like=first.like, asked_by="staff bert")

    assert rehearsing.claim_next() is None
    rehearsing.finish(first.pk, Outcome())
    taken = rehearsing.claim_next()
    assert taken is not None
    assert taken.pk == second.pk


# -- its sale -----------------------------------------------------------------------


def test_the_shadow_sale_is_like_the_real_one_and_takes_none_of_its_units() -> None:
    item = draft_sale(5)
    FlashSale.objects.filter(pk=item.sale_id).update(
        limit_per_person=3, admission_per_second=7, on_lost_gate="database"
    )
    rehearsing.ask(item.sale_id, SMALL, actor="staff anna")
    rehearsal = rehearsing.claim_next()
    assert rehearsal is not None
    before = units(item.sku)

    shadow = shadow_of(rehearsal)

    sale = shadow.sale
    assert (sale.is_rehearsal, sale.status) == (True, SaleStatus.ANNOUNCED)
    assert (sale.limit_per_person, sale.admission_per_second) == (3, 7)
    assert (sale.hold_seconds, sale.on_lost_gate) == (SMALL.hold_seconds, "database")
    assert (shadow.units, shadow.price_cents) == (10, item.price_cents)
    assert shadow.sku != item.sku
    assert units(item.sku) == before
    assert reread(rehearsal).shadow == sale
    assert sale.starts_at > timezone.now()


def test_no_sale_is_made_for_a_rehearsal_that_was_declared_failed_meanwhile() -> None:
    rehearsal = running()
    rehearsing.fail(rehearsal.pk, "Because.")

    with pytest.raises(NotAllowed):
        shadow_of(rehearsal)
    assert not FlashSale.objects.filter(is_rehearsal=True).exists()


# -- its end ------------------------------------------------------------------------


def test_no_fault_is_a_rehearsal_that_held_and_one_fault_breaks_it() -> None:
    good = running()
    assert rehearsing.finish(good.pk, Outcome({"paid": 10}, (), "table", "holds"))
    bad = rehearsing.ask(good.like_id, SMALL, actor="staff anna")
    rehearsing.claim_next()
    assert rehearsing.finish(bad.pk, Outcome({"paid": 11}, ("oversold: 11 of 10",)))

    assert (reread(good).status, reread(good).endings) == ("held", {"paid": 10})
    assert (reread(bad).status, reread(bad).faults) == ("broken", ["oversold: 11 of 10"])


def test_a_verdict_that_comes_after_it_was_declared_failed_is_not_written() -> None:
    rehearsal = running()
    let_pass(rehearsal, heartbeat_at=3 * MINUTE)
    assert fail_overdue() == 1

    assert not rehearsing.beat(rehearsal.pk, "At work.")
    assert not rehearsing.finish(rehearsal.pk, Outcome())
    assert not rehearsing.fail(rehearsal.pk, "Another reason.")
    assert (reread(rehearsal).status, reread(rehearsal).reason) == ("failed", NO_SIGN_OF_LIFE)


def test_one_that_nobody_took_in_ten_minutes_fails_with_the_reason() -> None:
    rehearsal = asked()
    let_pass(rehearsal, asked_at=9 * MINUTE)
    assert fail_overdue() == 0
    let_pass(rehearsal, asked_at=11 * MINUTE)

    assert fail_overdue() == 1
    assert (reread(rehearsal).status, reread(rehearsal).reason) == ("failed", NOBODY_TOOK_IT)
    assert rehearsing.claim_next() is None


def test_one_that_shows_life_goes_on_however_long_it_takes() -> None:
    rehearsal = running()
    let_pass(rehearsal, asked_at=60 * MINUTE, started_at=59 * MINUTE, heartbeat_at=3 * MINUTE)

    assert rehearsing.beat(rehearsal.pk, "At work.")
    assert fail_overdue() == 0
    assert (reread(rehearsal).status, reread(rehearsal).doing) == ("running", "At work.")


def test_the_shadow_of_a_rehearsal_that_died_is_ended_and_its_units_are_free() -> None:
    rehearsal = running()
    shadow = shadow_of(rehearsal)
    tidy_rehearsals()
    assert reread(rehearsal).status == "running"
    let_pass(rehearsal, heartbeat_at=3 * MINUTE)

    Keeper().keep_once()

    assert reread(rehearsal).status == "failed"
    assert FlashSale.objects.get(pk=shadow.sale_id).status == SaleStatus.ENDED
    assert FlashSale.objects.get(pk=rehearsal.like_id).status == SaleStatus.ANNOUNCED
    assert units(shadow.sku) == (10, 0)


def test_an_old_request_does_not_stand_in_the_way_of_a_new_one() -> None:
    rehearsal = asked()
    let_pass(rehearsal, asked_at=11 * MINUTE)

    again = rehearsing.ask(rehearsal.like_id, SMALL, actor="staff anna")

    assert (reread(rehearsal).status, again.status) == ("failed", "asked")
