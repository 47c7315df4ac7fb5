"""One rehearsal that the staff asked for, from the shadow sale to the verdict."""

import random
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from textwrap import dedent

from ops.rehearse.crowd_process import send_in_beside
from ops.rehearse.kills import kills
from ops.rehearse.person import Visit
from ops.rehearse.plan import Wishes, plans
from ops.rehearse.pulse import Pulse
from ops.rehearse.report import table
from ops.rehearse.settling import settled_facts
from ops.rehearse.stage import Stage, lead_seconds
from ops.rehearse.verdict import faults
from ops.stack.errors import StackError
from ops.stack.running import MANAGE_SECONDS, RunningStack
from shop.flash_sales import rehearsing
from shop.flash_sales.models import Rehearsal
from shop.flash_sales.rehearsing import Outcome
from shop.flash_sales.shadow import make_shadow

# So many people in a second are served by a small machine, doors, lines and orders together.
_SERVED_PER_SECOND = 15
# A unit may be held in vain by some people, one after another.
_HOLDS = 5
_SETTLE_SECONDS = 240.0
_MOST_FAULTS = 50


def wishes_of(rehearsal: Rehearsal) -> Wishes:
    """The row in the words of ``./dev rehearse``."""
    hold_seconds, crowd = rehearsal.hold_seconds, rehearsal.crowd
    return Wishes(
        units=rehearsal.units,
        crowd=crowd,
        declines=rehearsal.declines_percent / 100,
        abandon=rehearsal.abandon_percent / 100,
        double_click=rehearsal.double_click_percent / 100,
        bots=rehearsal.bots_percent / 100,
        hold_seconds=hold_seconds,
        rate=rehearsal.like.admission_per_second,
        challenge=rehearsal.like.challenge_work,
        patience_seconds=120.0 + _HOLDS * hold_seconds + crowd / _SERVED_PER_SECOND,
        seed=rehearsal.pk,
    )


def perform(stack: RunningStack, rehearsal: Rehearsal) -> None:
    """Raises StackError when there is no private bank or a part did not come back, Overtaken,
    CrowdLost; the sale's errors."""
    if why_not := rehearsing.refusal() or _foreign_bank(stack):
        raise StackError(why_not)
    wishes = wishes_of(rehearsal)
    # The proof is counted twice, since facts are asked for the same way.
    most_seconds = wishes.patience_seconds + _SETTLE_SECONDS + 2 * MANAGE_SECONDS
    with Pulse(rehearsal.pk, most_seconds).beating() as pulse:
        pulse.say("The shadow sale is made.")
        stage = _stage(stack, rehearsal, wishes)
        visits, hit = _rehearse(stage, rehearsal, wishes, pulse)
        pulse.say("Everybody has left. It waits until nothing is in flight.")
        facts = settled_facts(stage, _SETTLE_SECONDS)
        pulse.say("The proof after the sale is made.")
        holds, words = stage.proof()
        undisturbed = not rehearsal.kill
        found = list(faults(wishes, visits, facts, proof_holds=holds, undisturbed=undisturbed))
        outcome = Outcome(
            endings=Counter(str(visit.ending) for visit in visits),
            faults=_shortened(found),
            report=_figures(table(visits, facts), hit),
            proof=words,
        )
        pulse.check()
    rehearsing.finish(rehearsal.pk, outcome)


def _foreign_bank(stack: RunningStack) -> str:
    """A bank that this stack does not run itself may move real money."""
    own = stack.urls.get("sandbox")
    return "" if own and stack.environment["STRIPE_API_BASE"] == own else rehearsing.REAL_BANK


def _stage(stack: RunningStack, rehearsal: Rehearsal, wishes: Wishes) -> Stage:
    item = make_shadow(
        rehearsal,
        starts_in=timedelta(seconds=lead_seconds(wishes.crowd)),
        lasts=timedelta(seconds=wishes.patience_seconds + 3_600),
    )
    return Stage(stack, item.sale.slug, item.sale_id, item.pk, item.sale.starts_at.timestamp())


def _rehearse(
    stage: Stage, rehearsal: Rehearsal, wishes: Wishes, pulse: Pulse
) -> tuple[list[Visit], "Counter[str]"]:
    base, dice = stage.stack.urls["shop"].rstrip("/"), random.Random(wishes.seed)
    crowd = plans(wishes)
    pulse.say(f"The crowd is on its way: {wishes.crowd:,} people.")
    with ExitStack() as during:
        hit: Counter[str] = Counter()
        if rehearsal.kill:
            starts_in = stage.starts_in_seconds()
            hit = during.enter_context(kills(stage.stack, rehearsal.kill, starts_in, dice))
        return send_in_beside(base, stage.path, crowd, wishes.patience_seconds, pulse.check), hit


def _figures(report: str, hit: "Counter[str]") -> str:
    """The table without its endings, which the page draws by itself."""
    killed = "killed: " + ", ".join(f"{times} × {part}" for part, times in hit.items())
    figures = dedent(report.partition("\n\n")[2])
    return f"{figures}\n{killed}" if hit else figures


def _shortened(found: list[str]) -> list[str]:
    more = len(found) - _MOST_FAULTS
    return [*found[:_MOST_FAULTS], *([f"… and {more} more"] if more > 0 else [])]
