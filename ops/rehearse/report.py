"""The table of a rehearsal. Pure."""

from collections import Counter
from collections.abc import Sequence

from ops.rehearse.handover import Handover
from ops.rehearse.person import Ending, Visit
from ops.rehearse.stage import Facts


def table(visits: Sequence[Visit], facts: Facts) -> str:
    endings = Counter(visit.ending for visit in visits)
    rows = [f"  {ending:<34} {endings[ending]:>7,}" for ending in Ending if endings[ending]]
    tickets = ", ".join(f"{number} {status}" for status, number in sorted(facts.tickets.items()))
    asked = sum(visit.polls for visit in visits)
    troubles = sum(visit.troubles for visit in visits)
    paused = max((visit.pause_seconds for visit in visits), default=0.0)
    slowest = sorted(visit.slowest_seconds for visit in visits)
    idle = facts.handover.idle_seconds
    p99 = slowest[round((len(slowest) - 1) * 0.99)] if slowest else 0.0
    return "\n".join(
        [
            "What everybody was told:",
            *rows,
            "",
            f"  units {facts.units}: sold {facts.sold}, held {facts.held}, free {facts.free}",
            f"  tickets: {tickets or 'none'}",
            f"  tickets whose time was over at checkout: {sum(visit.overdue for visit in visits)}",
            f"  gate built {facts.generation} times; gate minus database: {facts.drift}",
            _hands(facts.handover),
            f"  units free with people in line and nobody let through: {idle:.0f} s at the longest",
            f"  longest time without a gate, by the keeper: {facts.pause_seconds:.1f} s",
            f"  polls {asked:,}; requests repeated for want of an answer {troubles:,}",
            f"  99 of 100 people waited at most {p99:.2f} s for any one answer",
            f"  longest pause that somebody was told of: {paused:.1f} s",
        ]
    )


def _hands(hands: Handover) -> str:
    if not hands.count:
        return "  no unit came back while people were in line"
    return (
        f"  units that came back to a line: {hands.count}, in another's hands after "
        f"{hands.p50_seconds:.2f} s (half), {hands.p99_seconds:.2f} s (99 of 100), "
        f"{hands.longest_seconds:.2f} s (longest)"
    )
