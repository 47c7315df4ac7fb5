"""Random sequences of everything that can happen to an order; after each the promise holds."""

import os

import pytest

from ops.lifecycle.run import Runner

pytestmark = pytest.mark.django_db(transaction=True)

SEQUENCES = int(os.environ.get("LIFECYCLE_SEQUENCES", "2000"))


@pytest.mark.timeout(600)
def test_no_sequence_of_actions_breaks_the_promise() -> None:
    runner = Runner()
    with runner.open():
        runner.explore(SEQUENCES, first_seed=int(os.environ.get("LIFECYCLE_SEED", "1")))

    assert runner.counts["sequences"] >= SEQUENCES
