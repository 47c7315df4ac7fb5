"""One random play of a sale: deeds of several processes, cut into steps and shuffled by a seed."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from ops.lifecycle.errors import Broken
from orders.errors import OrderError
from shop.flash_sales.errors import SaleError
from shop.flash_sales.models import (
    FlashSale,
    SaleEvent,
    SaleIdentity,
    SaleItem,
    SaleSample,
    Ticket,
)
from shop.flash_sales.states import OnLostGate
from tasks.errors import Permanent, TaskError
from tests.integration.sale_deeds import any_deed, end, is_later
from tests.integration.sale_promises import Reader, answers_are_kept, come_to_rest
from tests.integration.sale_stage import Hand, Stage, State
from tests.integration.sale_world import World, living_in, open_sale

DEEDS = 40
HANDS = ["one", "two", "three", "four"]
# Most races are won or lost within few steps; now and then somebody runs to the end.
_BURSTS = (1, 1, 1, 2, 2, 3, 5, 8, 13, 1_000)
_SHOWN_STEPS = 400
_NUMBERS = re.compile(r"[0-9a-f]{8,}|\d+", re.IGNORECASE)


class Plays:
    """Many, one after the other. ``counts`` says what happened, so that none passes because nothing
    did."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._last: list[str] = []
        self._stage = Stage(HANDS)
        self._reader = Reader(self._stage.reader)

    @contextmanager
    def open(self) -> Iterator[None]:
        with self._stage.open():
            yield

    def play(self, seed: int, deeds: int) -> None:
        """Raises Broken with the seed and all steps."""
        random = Random(seed)
        self._stage.clear()
        world = open_sale(
            (random.randint(1, 3), random.randint(1, 2)),
            limit=random.randint(1, 2),
            on_lost_gate=random.choice((OnLostGate.PAUSE, OnLostGate.PAUSE, OnLostGate.DATABASE)),
        )
        with living_in(world, is_later):
            try:
                world.build_gates()
                self._shuffle(world, random, deeds)
                answers_are_kept(world)
                come_to_rest(world)
                self._reader.look(world.sale_id)
            except Exception as error:
                told = self._told(seed, deeds)
                raise Broken(f"{type(error).__name__}: {error}\n{told}") from error
            finally:
                self._last = [_NUMBERS.sub("#", line) for line in self._stage.trace]
                self._stage.clear()
                world.drop_gates()
                _forget()
        self.counts.update(str(told.reply.said) for told in world.told)
        self.counts["plays"] += 1

    def told(self) -> list[str]:
        """All steps of the last play, without what is another number each time."""
        return self._last

    def _shuffle(self, world: World, random: Random, deeds: int) -> None:
        stage, left = self._stage, deeds
        # Every second sale ends while it is busy.
        ends_at = random.randrange(left // 3) if random.random() < 0.5 else None
        while left or len(stage.of(State.IDLE)) < len(stage.hands):
            idle = stage.of(State.IDLE)
            if left and idle and (len(idle) == len(HANDS) or random.random() < 0.5):
                left -= 1
                self._begin(world, random, random.choice(idle), is_end=left == ends_at)
            ready = stage.of(State.STOPPED)
            if not ready:
                stage.wait_for_blocked()
                self._judge()
                continue
            self._go_on(world, random.choice(ready), random.choice(_BURSTS))

    def _begin(self, world: World, random: Random, hand: Hand, *, is_end: bool) -> None:
        name, job = any_deed(world, random)
        if is_end:
            name, job = "end", end(world, 0, "", random)
        dies_in = random.randrange(30) if random.random() < 0.2 else None
        hand.begin(name, job, dies_in=dies_in)
        self.counts["deeds"] += 1

    def _go_on(self, world: World, hand: Hand, steps: int) -> None:
        for _ in range(steps):
            goes_on = self._stage.step(hand)
            self.counts["steps"] += 1
            world.a_step_goes_by()
            if self._stage.was_seen:
                self._reader.look(world.sale_id)
            if not goes_on:
                break
        self.counts["killed"] += hand.is_dead
        self.counts["waited for a lock"] += hand.state is State.BLOCKED
        self._judge()

    def _judge(self) -> None:
        """A refusal in the shop's own words is an answer, except to a click."""
        stage = self._stage
        for hand in stage.of(State.IDLE):
            if not hand.job_name:
                continue
            error = hand.error
            stage.trace.append(f"{hand.name} {hand.job_name} → {error or hand.outcome}")
            is_answer = isinstance(error, (SaleError, OrderError, TaskError))
            if hand.job_name.startswith(("click", "poll")) or isinstance(error, Permanent):
                is_answer = False
            if error is not None and not is_answer:
                raise Broken(f"{hand.job_name}: {type(error).__name__}: {error}") from error
            self.counts["answered"] += 1
            hand.job_name = ""

    def _told(self, seed: int, deeds: int) -> str:
        steps = "\n  ".join(self._stage.trace[-_SHOWN_STEPS:])
        return f"SALE_SEED={seed} plays this again, with {deeds} deeds:\n  {steps}"


def _forget() -> None:
    """The keeper of the next play looks at every sale there is."""
    for model in (SaleIdentity, Ticket, SaleEvent, SaleSample, SaleItem, FlashSale):
        model._default_manager.all().delete()
