"""Whoever takes rehearsals shows life, sends nobody to a foreign bank, clears up after the dead."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from ops.rehearse import pulse as pulses
from ops.rehearse.pulse import Overtaken, Pulse
from ops.rehearse.taking import ENDED_BEFORE, LOCK_KEY, Taker
from ops.stack.layout import Layout
from ops.stack.running import RunningStack
from ops.stack.state import State
from shop.flash_sales import rehearsing
from shop.flash_sales.models import FlashSale, Rehearsal
from shop.flash_sales.rehearsal_limits import fail_overdue
from shop.flash_sales.rehearsing import REAL_BANK
from tests.integration.rehearsals import MINUTE, asked, let_pass, reread, running, shadow_of

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 20


@pytest.fixture(autouse=True)
def _private_stack(settings: LazySettings) -> Iterator[None]:
    settings.REHEARSALS = True
    yield
    connection.close()  # and with it the taker's lock


@pytest.fixture
def taker(tmp_path: Path) -> Taker:
    """Of a stack without a bank of its own, so that whatever it takes fails at once."""
    values = {"SITE_URL": "http://127.0.0.1:9", "FLOWER_URL": "", "STRIPE_API_BASE": "http://bank"}
    state = State(parts=["web"], environment=values)
    return Taker(RunningStack(Layout(tmp_path), state, lambda _: None))


def test_no_crowd_is_sent_in_where_the_bank_is_not_the_stacks_own(taker: Taker) -> None:
    rehearsal = asked()

    assert taker.look_once()

    assert (reread(rehearsal).status, reread(rehearsal).shadow) == ("failed", None)
    assert REAL_BANK in reread(rehearsal).reason


def test_nothing_that_was_asked_for_is_nothing_to_do(taker: Taker) -> None:
    assert not taker.look_once()


def test_what_a_dead_one_left_running_is_failed_and_its_sale_is_ended(taker: Taker) -> None:
    left = running()
    shadow = shadow_of(left).sale

    taker.look_once()

    assert (reread(left).status, reread(left).reason) == ("failed", ENDED_BEFORE)
    assert FlashSale.objects.get(pk=shadow.pk).status == "ended"


def test_a_second_one_waits_for_the_first_and_leaves_its_rehearsal_alone(taker: Taker) -> None:
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        rehearsal = running()

        assert not taker.look_once()
        assert reread(rehearsal).status == "running"
        # Not by closing: the server ends a session some moment after that.
        cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])
    taker.look_once()

    assert reread(rehearsal).status == "failed"


def test_a_long_silence_of_the_work_is_no_silence_of_the_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulses, "EVERY_SECONDS", 0.05)
    rehearsal = running()

    with Pulse(rehearsal.pk, 60).beating() as pulse:
        pulse.say("The proof is made.")
        let_pass(rehearsal, heartbeat_at=3 * MINUTE)
        until_beaten(rehearsal)

    assert fail_overdue() == 0
    assert reread(rehearsal).doing == "The proof is made."
    assert "pulse" not in {thread.name for thread in threading.enumerate()}


def test_what_hangs_for_too_long_shows_no_life_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulses, "EVERY_SECONDS", 0.05)
    rehearsal = running()

    with Pulse(rehearsal.pk, 0.05).beating():
        until_beaten(rehearsal)
        let_pass(rehearsal, heartbeat_at=3 * MINUTE)
        until_no_pulse()
        assert fail_overdue() == 1


def test_whoever_is_declared_failed_while_at_work_hears_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulses, "EVERY_SECONDS", 0.05)
    rehearsal = running()

    with Pulse(rehearsal.pk, 60).beating() as pulse:
        pulse.say("The crowd is on its way.")
        rehearsing.fail(rehearsal.pk, "By somebody else.")
        until_no_pulse()
        with pytest.raises(Overtaken):
            pulse.check()
    with pytest.raises(Overtaken):
        Pulse(rehearsal.pk, 60).say("Still at work.")


def until_beaten(rehearsal: Rehearsal) -> None:
    before, deadline = reread(rehearsal).heartbeat_at, time.monotonic() + PATIENCE_SECONDS
    while reread(rehearsal).heartbeat_at == before:
        assert time.monotonic() < deadline


def until_no_pulse() -> None:
    for thread in threading.enumerate():
        if thread.name == "pulse":
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
