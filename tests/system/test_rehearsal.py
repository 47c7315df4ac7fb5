"""A flash sale of 20 units with a crowd of 200: sold to the last unit, and everybody is told."""

import pytest

from ops.rehearse.crowd import send_in
from ops.rehearse.plan import Wishes, plans
from ops.rehearse.report import table
from ops.rehearse.settling import settled_facts
from ops.rehearse.stage import Stage
from ops.rehearse.verdict import faults
from tests.system.shop_floor import ShopFloor

pytestmark = pytest.mark.stack

WISHES = Wishes(units=20, crowd=200, bots=0.1, hold_seconds=10, rate=20, patience_seconds=120)


def test_two_hundred_people_buy_twenty_units_and_each_has_a_final_answer(shop: ShopFloor) -> None:
    stage = Stage.set_up(shop.stack, WISHES)
    visits = send_in(shop.url, stage.path, plans(WISHES), WISHES.patience_seconds)
    facts = settled_facts(stage)
    holds, words = stage.proof()
    report = f"{table(visits, facts)}\n{words}"
    # How fast a unit goes on is judged in tests/integration/test_sale_handover.py, without a crowd.
    found = faults(WISHES, visits, facts, proof_holds=holds, undisturbed=False)
    assert list(found) == [], report
    assert facts.sold == WISHES.units
