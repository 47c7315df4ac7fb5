"""Waiting until a sale has nothing in flight any more."""

import time

from ops.rehearse.stage import Facts, Stage

SETTLE_SECONDS = 90.0


def settled_facts(stage: Stage, seconds: float = SETTLE_SECONDS) -> Facts:
    """The facts once no ticket is live and gate and database agree; the last ones seen if that
    does not come."""
    deadline = time.monotonic() + seconds
    while True:
        facts = stage.facts()
        if (facts.held == 0 and facts.drift == 0) or time.monotonic() > deadline:
            return stage.with_handover(facts)
        time.sleep(0.5)
