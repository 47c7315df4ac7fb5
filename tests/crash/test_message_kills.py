"""Relays and workers killed with -9 while messages flow: nothing is lost, nothing done twice."""

import os
import random
from contextlib import closing
from pathlib import Path

import pytest

from ops.crash import run
from ops.crash.witness import Witness

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

# './dev crash' is the long form.
MESSAGES = int(os.environ.get("CRASH_MESSAGES", "600"))


def test_a_strangers_task_survives_kill_9_of_relays_and_workers(tmp_path: Path) -> None:
    environ = run.prepare(os.environ, tmp_path)

    outcome = run.run(environ, MESSAGES, seed=random.randrange(1_000_000), limit=240)

    assert outcome.broken == [], str(outcome)
    assert outcome.facts.messages >= MESSAGES
    # Somebody of each kind has really died.
    assert min(outcome.kills[kind] for kind in ("relay", "worker", "worker's child")) >= 1
    with closing(Witness(environ)) as witness:
        _the_witness_would_have_seen_it(witness)


def _the_witness_would_have_seen_it(witness: Witness) -> None:
    """Each fault, done by hand to a run that was good, and undone."""
    gifts = witness.facts().gifts
    for fault, repair, words in (
        (
            "UPDATE toy_app_member SET points = points + 3 WHERE id = 1",
            "UPDATE toy_app_member SET points = points - 3 WHERE id = 1",
            "3 points were granted twice or never",
        ),
        (
            "UPDATE toy_app_gift SET status = 'granted' WHERE id = 1",
            "UPDATE toy_app_gift SET status = 'printed' WHERE id = 1",
            "1 effects are missing",
        ),
        (
            "INSERT INTO crash_enqueued VALUES (gen_random_uuid(), 99)",
            "DELETE FROM crash_enqueued WHERE attempt = 99",
            "1 messages were never handled",
        ),
    ):
        witness.execute(fault)
        assert witness.facts().broken(gifts) == [words]
        witness.execute(repair)
    assert witness.facts().broken(gifts) == []
