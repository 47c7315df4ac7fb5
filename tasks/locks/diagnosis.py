"""Why there is no quorum, in words."""

from collections.abc import Sequence

from tasks.locks.messages import Ahead, Denied, Failed, Granted, NotReady, Reply
from tasks.locks.node import Labelled


def explain_no_quorum(nodes: Sequence[Labelled], answers: Sequence[Reply | None]) -> str:
    """Why there is no quorum, node by node, and what to do."""
    if all(isinstance(answer, Granted | Denied) for answer in answers):
        return (
            "All lock nodes voted, but so late that the lease had ended before it began. "
            "Use a longer ttl, or find out what holds this process or the nodes up."
        )
    fit = sum(isinstance(answer, Granted | Denied) for answer in answers)
    reasons = [
        f"{node.name}: {_reason(answer)}"
        for node, answer in zip(nodes, answers, strict=True)
        if not isinstance(answer, Granted | Denied)
    ]
    return (
        f"Only {fit} of {len(answers)} lock nodes could vote in time ({'; '.join(reasons)}). "
        "Bring the missing nodes back; nothing else has to be repaired."
    )


def _reason(answer: Reply | None) -> str:
    match answer:
        case NotReady(remaining):
            return f"restarted, may vote again in {remaining:.1f} s"
        case Ahead(seconds):
            return f"its clock is {seconds:.0f} s behind this machine's; set both by NTP"
        case Failed(reason):
            return reason
    return "no answer in time"
