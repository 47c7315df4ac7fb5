"""The gate is lost twenty times in one running sale: nobody loses a unit, and all are told."""

import time
from collections.abc import Callable

import httpx
import pytest
import redis

from tests.crash.sale_watchers import Watched, Watcher, watching
from tests.system.shop_floor import ShopFloor, until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]

UNITS, KEEP, WAIT = 8, 7, 6
TIMES = 10
BACK_SECONDS = 5.0
# All have asked again by then, and heard from the new gate.
ASKED_AGAIN_SECONDS = 1.2


def flush(sale: Watched) -> None:
    with redis.Redis.from_url(sale.gate_url) as server:
        server.flushall()


def restart_empty(sale: Watched) -> None:
    """It keeps nothing on disk, and its supervisor starts it again."""
    sale.stack.kill_part("redis-gate")


@pytest.mark.parametrize("lose", [flush, restart_empty])
def test_a_gate_lost_ten_times_costs_no_unit_no_ticket_and_five_seconds_at_most(
    shop: ShopFloor, lose: Callable[[Watched], None], capsys: pytest.CaptureFixture[str]
) -> None:
    sale = Watched.open(shop, UNITS)
    until(sale.generation, bool, seconds=20)
    holders = [Watcher(sale) for _ in range(KEEP)]
    # The last unit goes from hand to hand.
    others = [Watcher(sale, gives_back=True) for _ in range(WAIT)]
    gone: list[float] = []
    with watching(holders):
        until(sale.live_tickets, lambda tickets: len(tickets) == KEEP, seconds=30)
        kept = sale.live_tickets()
        with watching(others):
            time.sleep(2)
            for _ in range(TIMES):
                gone.append(lose_once(sale, lose, [*holders, *others]))
                assert kept <= sale.live_tickets()
                assert len(sale.live_tickets()) <= UNITS
    with capsys.disabled():
        figures = f"{max(gone):.2f} s at the longest, {min(gone):.2f} s at the shortest"
        print(f"\n{lose.__name__}: back after {figures}")  # noqa: T201  # for the documents
    until(lambda: gate_and_database(shop, sale), lambda both: both[0] == both[1], seconds=20)
    assert [trouble for one in (*holders, *others) for trouble in one.troubles] == []
    for one in holders:
        words = [word for _, word, _ in one.heard]
        # Once they had a ticket they heard nothing but that, or that the sale waits.
        assert set(words[words.index("ticket") :]) == {"ticket", "paused"}
        assert words[-1] == "ticket"
    events = sale.events()
    assert events.count("gate_lost") >= TIMES
    assert events.count("gate_built") >= TIMES + 1
    assert max(gone) < BACK_SECONDS, gone


def lose_once(sale: Watched, lose: Callable[[Watched], None], people: list[Watcher]) -> float:
    """How many seconds the gate was away."""
    before = sale.generation()
    began = time.monotonic()
    lose(sale)
    lost = time.monotonic()
    with httpx.Client(base_url=sale.base, timeout=20) as visitor:
        visitor.get(sale.path)
        assert "being repaired" in visitor.get(f"{sale.path}line/").text
    until(sale.generation, lambda now: now > before, seconds=20)
    back = time.monotonic()
    time.sleep(ASKED_AGAIN_SECONDS)
    # What was asked before the loss may be answered just after it.
    told = [one.said_between(lost + 0.3, back - 0.3) for one in people]
    assert set().union(*told) == {"paused"}, told
    texts = {text for one in people for at, word, text in one.heard if word == "paused"}
    assert any("being repaired" in text for text in texts), texts
    return back - began


def gate_and_database(shop: ShopFloor, sale: Watched) -> tuple[object, object]:
    key = f"soldonce:{{sale:{sale.sale_id}}}:{sale.item_id}:state"
    with redis.Redis.from_url(sale.gate_url, decode_responses=True) as server:
        gate = server.hmget(key, "held", "sold", "units")
    query = "SELECT held, sold, units FROM flash_sales_saleitem WHERE id = %s"
    (row,) = sale.rows(query, sale.item_id)
    return [int(number or -1) for number in gate], list(row)
