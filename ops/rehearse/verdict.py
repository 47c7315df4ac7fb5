"""Whether a rehearsal held: what everybody was told against what the database says. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from ops.rehearse.handover import MOST_SECONDS
from ops.rehearse.person import Ending, Visit
from ops.rehearse.plan import Intent, Wishes
from ops.rehearse.stage import Facts


def faults(
    wishes: Wishes,
    visits: Sequence[Visit],
    facts: Facts,
    *,
    proof_holds: bool,
    undisturbed: bool = True,
) -> Iterator[str]:
    """One line for each promise that was broken. ``undisturbed``: nothing was killed, so that
    nothing excuses a unit that lies there."""
    paid = [visit for visit in visits if visit.ending is Ending.PAID]
    if facts.sold > wishes.units or facts.units != wishes.units:
        yield f"oversold: {facts.sold} of {wishes.units} units, the sale says {facts.units}"
    if facts.sold < min(wishes.units, _who_would_pay(visits)):
        yield f"undersold: {facts.sold} of {wishes.units}, and somebody would have paid for more"
    if facts.held:
        yield f"{facts.held} units are still held for somebody"
    if len(paid) != facts.sold:
        yield f"{len(paid)} people were told that they paid, and {facts.sold} units are sold"
    if facts.orders != facts.sold:
        yield f"{facts.sold} units were sold with {facts.orders} orders"
    if facts.most_per_person > facts.limit:
        yield f"somebody has {facts.most_per_person} units, and the limit is {facts.limit}"
    yield from _households(paid, facts.limit)
    yield from _answers(visits)
    if facts.drift:
        yield f"the gate believes in {facts.drift:+} units"
    longest = facts.handover.longest_seconds
    if undisturbed and longest > MOST_SECONDS:
        yield f"a unit that came back waited {longest:.1f} s for the next in line"
    if not proof_holds:
        yield "the proof after the sale does not hold"


def _who_would_pay(visits: Sequence[Visit]) -> int:
    return sum(visit.plan.intent is Intent.PAYS for visit in visits)


def _households(paid: Sequence[Visit], limit: int) -> Iterator[str]:
    homes = Counter(visit.plan.home for visit in paid)
    for home, units in homes.items():
        if units > limit:
            yield f"household {home} bought {units} units under {units} names"


def _answers(visits: Sequence[Visit]) -> Iterator[str]:
    for visit in visits:
        who = f"person {visit.plan.number} ({visit.plan.intent})"
        if visit.ending is Ending.NONE:
            yield f"{who} has no final answer: {visit.told}"
        if len(visit.orders) > 1:
            yield f"{who} has {len(visit.orders)} orders for one ticket"
        if (visit.plan.intent is Intent.FORGER) != (visit.ending is Ending.REFUSED):
            yield f"{who}: {visit.ending}, {visit.told}"
