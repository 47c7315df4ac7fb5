"""Two beats, three relays and every worker twice, by mistake: each effect happens once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from ops.demo.browser import Browser
from ops.demo.scenarios import DECLINED, GOOD
from ops.stack.parts import WORKER_QUEUES
from tests.contract.waiting import wait_until
from tests.integration.worker_process import START_SECONDS, Process, ended, worker_command
from tests.system.shop_floor import ShopFloor, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

PAY, DECLINE, UNITS = 16, 4, 40
# Beats that hardly pause, and a sweep that takes nearly everything for stuck: every order meets
# several messages for the same step.
HASTY = {
    "STUCK_AFTER_SECONDS": "1",
    **dict.fromkeys(("EXPIRE_EVERY_SECONDS", "RESUME_EVERY_SECONDS", "COLLECT_EVERY_SECONDS"), "1"),
}


@pytest.fixture
def doubles(shop: ShopFloor, tmp_path: Path) -> Iterator[dict[str, Process]]:
    """What is started on top of the stack's own beat, relay and workers."""
    beat = ["-m", "celery", "-A", "config", "beat", "--pidfile=", "--loglevel", "INFO"]
    commands = {
        "beat": [*beat, "--schedule", str(tmp_path / "schedule")],
        "relay-2": ["manage.py", "relay"],
        "relay-3": ["manage.py", "relay"],
        **{name: worker_command(f"{name}-2", queue) for name, queue in WORKER_QUEUES.items()},
    }
    environ = {**shop.stack.environment, **HASTY}
    started = {
        name: Process(name, command, tmp_path, environ) for name, command in commands.items()
    }
    with ended(list(started.values())):
        for name in WORKER_QUEUES:
            wait_until(partial(started[name].said, "ready."), seconds=START_SECONDS)
        yield started


LETTERS = "list(DeadLetter.objects.order_by('pk').values_list('pk', flat=True))"


def test_two_beats_three_relays_and_twice_the_workers_do_everything_once(
    shop: ShopFloor, doubles: dict[str, Process]
) -> None:
    letters = shop.ask(LETTERS)  # those that other tests have left
    sku = f"TWICE-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=UNITS)
    browsers = [Browser(shop.url) for _ in range(PAY + DECLINE)]

    def buy(number: int) -> str:
        card = GOOD if number < PAY else DECLINED
        form = shop.filled_checkout(browsers[number], sku, card=card, who=number)
        return browsers[number].submit(form).url

    with ThreadPoolExecutor(8) as crowd:
        pages = list(crowd.map(buy, range(len(browsers))))
    for browser, page in zip(browsers, pages, strict=True):
        shop.finished(browser, page, seconds=90)
        browser.__exit__()
    ours = f"Order.objects.filter(lines__sku={sku!r})"
    shop.python(
        "from orders.models import Order\n"
        "from django.db.models.functions import Now\n"
        f"{ours}.filter(status='payment_failed').update(hold_expires_at=Now())"
    )
    events = f"list({ours}.values_list('number', 'timeline__kind'))"
    mailed = 2 * DECLINE + PAY
    happened = until(
        lambda: Counter((number, kind) for number, kind in shop.ask(events)),
        lambda seen: sum(n for (_, kind), n in seen.items() if kind == "mailed") >= mailed,
        seconds=90,
    )

    kinds = Counter(kind for _, kind in happened.elements())
    assert kinds["paid"] == kinds["packed"] == PAY
    assert kinds["declined"] == kinds["expired"] == DECLINE
    assert kinds["mailed"] == mailed
    once = ("paid", "packed", "declined", "expired")
    assert [each for each, n in happened.items() if each[1] in once and n > 1] == []
    assert shop.stock(sku) == (UNITS - PAY, 0)
    paid = shop.ask(f"list({ours}.filter(status='paid').values_list('number', flat=True))")
    assert [shop.captures_of(number) for number in paid] == [1] * PAY
    assert shop.ask(LETTERS) == letters
    assert shop.audit()["ok"]
    # Both beats have sent the same sweeps.
    stacks_beat = shop.stack.log_path("beat").read_text(encoding="utf-8")
    for words in (doubles["beat"].words(), stacks_beat):
        assert "Sending due task orders.expire_holds" in words
