"""The gate's Redis loses everything in the middle of a sale, while a crowd is in line."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from ops.rehearse.crowd import send_in
from ops.rehearse.plan import Wishes, plans
from ops.rehearse.report import table
from ops.rehearse.settling import settled_facts
from ops.rehearse.stage import Stage
from ops.rehearse.verdict import faults
from ops.stack.running import RunningStack
from tests.system.shop_floor import ShopFloor

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]

# Few are let through in a second, so that most of the units are free when the gate is lost. All
# pay, and have time for it: a ticket that ends was lost with the gate.
WISHES = Wishes(
    units=20, crowd=150, declines=0, abandon=0, hold_seconds=90, rate=4, patience_seconds=150
)
INTO_THE_SALE_SECONDS = 2.5
LONGEST_PAUSE_SECONDS = 5.0


def flush(stack: RunningStack) -> None:
    with redis.Redis.from_url(stack.environment["GATE_URL"]) as server:
        server.flushall()


def restart_empty(stack: RunningStack) -> None:
    """It keeps nothing on disk, and its supervisor starts it again."""
    stack.kill_part("redis-gate")


@pytest.mark.parametrize("lose", [flush, restart_empty])
def test_a_gate_lost_in_mid_sale_costs_no_unit_and_no_ticket(
    shop: ShopFloor, lose: Callable[[RunningStack], object]
) -> None:
    stage = Stage.set_up(shop.stack, WISHES)
    with ThreadPoolExecutor(1) as crowd:
        coming = crowd.submit(send_in, shop.url, stage.path, plans(WISHES), WISHES.patience_seconds)
        time.sleep(stage.starts_in_seconds() + INTO_THE_SALE_SECONDS)
        lose(shop.stack)
        visits = coming.result()
    facts = settled_facts(stage)
    holds, words = stage.proof()
    report = f"{table(visits, facts)}\n{facts}\n{words}"
    found = faults(WISHES, visits, facts, proof_holds=holds, undisturbed=False)
    assert list(found) == [], report
    assert facts.sold == WISHES.units, report
    # It was seen, by the staff and by who stood in line, and it did not take long.
    assert facts.generation == 2, report
    assert "gate_lost" in facts.events, report
    assert any(visit.pause_seconds for visit in visits), report
    assert 0 < facts.pause_seconds < LONGEST_PAUSE_SECONDS, report
    # Whoever had a unit and meant to pay could.
    assert not any(visit.overdue for visit in visits), report
