"""The keeper is killed while another stands by: nobody in line waits for a new process."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.crash.sale_watchers import Watched
from tests.system.shop_floor import ShopFloor, until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]

KEEPERS = ("keeper", "keeper-2")
BEGUN, STANDS_BY = "keeper_begins", "keeper_stands_by"
TAKEN_OVER_SECONDS = 1.5
GATE_BACK_SECONDS = 5.0
_TICKET = """
INSERT INTO flash_sales_ticket (item_id, nonce, person, place, status, held_until, note)
VALUES (%s, %s, %s, 1, 'held', now() + %s * interval '1 second', '')
"""
_HELD = "UPDATE flash_sales_saleitem SET held = held + 1 WHERE id = %s"
_LATE = """
SELECT extract(epoch FROM ended_at - held_until) FROM flash_sales_ticket
WHERE nonce = %s AND status = 'expired'
"""


@pytest.fixture
def sale(shop: ShopFloor) -> Iterator[Watched]:
    """One that runs, in a stack with two keepers."""
    shop.stack.start_part("keeper-2")
    yield Watched.open(shop, 5)
    shop.stack.stop_part("keeper-2")
    until(lambda: words(shop)["keeper"], lambda word: word == BEGUN, seconds=90)


def words(shop: ShopFloor) -> dict[str, str]:
    """What each keeper said last of its place."""
    said = {}
    for part in KEEPERS:
        log = shop.stack.log_path(part).read_text(encoding="utf-8")
        said[part] = re.findall(f"{BEGUN}|{STANDS_BY}", log)[-1:]
    return {part: (found or [""])[0] for part, found in said.items()}


def active(shop: ShopFloor) -> str:
    """The one that works, once the other stands by."""
    both = until(
        lambda: words(shop), lambda said: set(said.values()) == {BEGUN, STANDS_BY}, seconds=60
    )
    return next(part for part, word in both.items() if word == BEGUN)


def test_a_ticket_that_expires_while_the_keeper_dies_is_freed_by_the_other_one(
    shop: ShopFloor, sale: Watched
) -> None:
    late = []
    for number in range(3):
        victim, nonce = active(shop), f"{sale.slug}-{number}"
        sale.rows(_TICKET, sale.item_id, nonce, f"person-{number}", 0.5)
        sale.rows(_HELD, sale.item_id)
        time.sleep(0.4)

        shop.stack.kill_part(victim)

        found = until(lambda nonce=nonce: sale.rows(_LATE, nonce), bool, seconds=20)  # type: ignore[misc]  # mypy and defaults of a lambda
        late.append(float(found[0][0]))
    assert max(late) < TAKEN_OVER_SECONDS, late


def test_keeper_and_gate_killed_together_leave_a_sale_without_a_gate_for_five_seconds_at_most(
    shop: ShopFloor, sale: Watched
) -> None:
    away = []
    for _ in range(3):
        victim = active(shop)
        before = until(sale.generation, bool, seconds=20)
        began = time.monotonic()

        shop.stack.kill_part(victim)
        shop.stack.kill_part("redis-gate")

        until(sale.generation, lambda now, before=before: now > before, seconds=30)  # type: ignore[misc]  # as above
        away.append(time.monotonic() - began)
    assert max(away) < GATE_BACK_SECONDS, away
