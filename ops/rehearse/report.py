"""The table of a rehearsal. Pure."""

from collections import Counter
from collections.abc import Sequence

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
            f"  longest time without a gate, by the keeper: {facts.pause_seconds:.1f} s",
            f"  polls {asked:,}; requests repeated for want of an answer {troubles:,}",
            f"  99 of 100 people waited at most {p99:.2f} s for any one answer",
            f"  longest pause that somebody was told of: {paused:.1f} s",
        ]
    )
